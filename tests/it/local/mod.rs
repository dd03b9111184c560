//! The bot's own machine: real processes, real git, real files, real docker.

mod application;
pub(crate) mod bench;
pub(crate) mod compose;
mod env_file;
mod generated;
mod git;
mod networking;
mod supervisor;
