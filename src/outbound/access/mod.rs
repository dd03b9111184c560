//! Access to compute roots: write, read and execute in one environment's folder.

mod beneath;
mod local;

pub use local::LocalAccess;
