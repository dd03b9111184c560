//! Where environments live.

mod application;
mod compose;
mod docker;
mod leftovers;
mod local;
mod logs;
mod patch;
mod plugin;
mod ready;
mod repository;
mod source;
mod sweep;
mod worktree;

pub use leftovers::{labelled, remove_labelled};
pub use local::{LocalCompute, LocalComputeOptions};
pub use repository::main_worktree;
pub use source::{CodeSource, MirrorSource};
pub use worktree::WorktreeSource;
