//! Whom we call: each room implements ports.

pub mod access;
pub mod clock;
pub mod compute;
mod file_work;
pub mod forge;
pub mod git;
pub mod machine;
pub mod networking;
pub mod probe;
pub mod progress;
pub mod project_folder;
pub mod reservations;
pub mod ssh;
pub mod store;
pub mod supervisor;
pub mod tool;
