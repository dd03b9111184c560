//! The command line: the tree of commands, and one file for what each prints. Who builds the ports that a command
//! needs is the composition root's business.

pub mod arguments;
pub mod clean;
pub mod create;
pub mod deliver;
pub mod diagnostics;
pub mod explain;
pub mod findings;
pub mod hosts;
pub mod jobs;
pub mod list;
pub mod manual;
mod output;
pub mod progress;
pub mod running;
pub mod status;
pub mod steps;
pub mod vet;

pub use arguments::{Cli, Command};
pub use output::{CliError, port_exit_code};
