//! Where environments live.

mod application;
mod compose;
mod confine;
mod docker;
mod generated;
mod known;
mod leftovers;
mod limits;
mod logs;
mod names;
mod on_machine;
mod patch;
mod ready;
mod repository;
mod source;
mod sweep;
mod variables;
mod worktree;

pub use leftovers::{labelled, remove_labelled};
pub use on_machine::{ComputeOptions, MachineCompute};
pub use patch::{CHECKOUT_LABEL, ENVIRONMENT_LABEL, INSTALLATION_LABEL};
pub use repository::main_worktree;
pub use source::{CodeSource, MirrorSource};
pub use worktree::WorktreeSource;
