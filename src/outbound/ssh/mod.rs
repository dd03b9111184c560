//! Machines that are reached over SSH: one multiplexed connection each, shells on it that run fixed programs with
//! quoted arguments and data on standard input.

mod access;
mod channel;
mod connection;
mod host;
mod options;
mod quote;
mod request;
mod runner;
mod sight;

pub use access::SshAccess;
pub use host::SshHost;
pub use options::SshOptions;
pub use runner::{SshRunner, SshRunnerOptions};
