//! Where environments live.

mod compose;
mod docker;
mod local;
mod patch;
mod source;
mod sweep;

pub use local::{LocalCompute, LocalComputeOptions};
pub use source::{CodeSource, MirrorSource};
