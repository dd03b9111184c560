//! Reading one configuration document (spec §2, "Parsing"): a tree with positions, then one function per block. What
//! is wrong is collected, and reading goes on.

pub(in crate::domain) mod block;
mod document;
pub(in crate::domain) mod kind;
mod preview;
pub(in crate::domain) mod reader;
mod scalar;
mod shape;

pub(super) use document::read;
pub use document::{parse, parse_unchecked};
