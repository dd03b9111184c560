//! Where environments live.

mod compose;
mod docker;
mod local;
mod patch;
mod sweep;

pub use local::{LocalCompute, LocalComputeOptions};
