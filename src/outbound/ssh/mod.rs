//! Machines that are reached over SSH: one multiplexed connection each, shells on it that run fixed programs with
//! quoted arguments and data on standard input.

mod access;
mod chamber;
mod channel;
mod connection;
mod examine;
mod figures;
mod folder;
mod host;
mod host_key;
mod legacy;
mod long_tool;
mod machine;
mod made;
mod made_access;
mod options;
mod ports;
mod prepare;
mod quote;
mod request;
mod runner;
mod shell;
mod sight;
mod source;
mod stream;
mod usage;

pub use access::SshAccess;
pub use chamber::Chamber;
pub use examine::examine;
pub use figures::{Look, Told};
pub use host::SshHost;
pub use host_key::{HostKey, host_keys, pin, public_key};
pub use machine::SshMachine;
pub use made::{MadeMachine, MadeOptions};
pub use made_access::MachineSettings;
pub use options::SshOptions;
pub use ports::HostPorts;
pub use prepare::{Preparation, Prepared};
pub use runner::{SshRunner, SshRunnerOptions};
pub use source::HostSource;
pub use usage::Occupant;
