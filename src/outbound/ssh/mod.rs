//! Machines that are reached over SSH: one multiplexed connection each, shells on it that run fixed programs with
//! quoted arguments and data on standard input.

mod access;
mod channel;
mod connection;
mod figures;
mod folder;
mod host;
mod long_tool;
mod machine;
mod made;
mod made_access;
mod options;
mod quote;
mod request;
mod runner;
mod shell;
mod sight;
mod source;
mod stream;

pub use access::SshAccess;
pub use host::SshHost;
pub use machine::SshMachine;
pub use made::{MadeMachine, MadeOptions};
pub use made_access::MachineSettings;
pub use options::SshOptions;
pub use runner::{SshRunner, SshRunnerOptions};
pub use source::HostSource;
