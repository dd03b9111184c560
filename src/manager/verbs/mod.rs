//! The Manager's verbs, one file each; `entry` finds and opens entries for them.

mod attach;
mod core_init;
mod core_reset;
mod deployed;
mod destroy;
mod entry;
mod init;
mod list;
mod provision;
mod provision_attach;
mod run;
mod run_core_hook;
mod set_no_cache;
mod set_status;
mod status;
mod stop;

pub use deployed::Deployed;
