//! git: one bare mirror per repository, and the checkouts made from it.
//!
//! git runs with the mirror's own configuration and nothing else: no system or user configuration, no hooks, no
//! filters, no prompts. The `.git` file in a checkout is never trusted, since hooks may write there.

mod checkout;
mod command;
mod failure;
mod mirror;
mod path;
mod weight;

pub use command::host_variables;
pub use mirror::{MirrorGit, Push};
