//! Reading one configuration document (spec §2, "Parsing"): a tree with positions, then one function per block.

mod block;
mod document;
mod error;
mod preview;
mod reader;
mod scalar;
mod shape;
mod structure;

pub(super) use document::parse_overlay;
pub use document::{parse, parse_unchecked};
pub use error::ConfigError;
pub(super) use error::kind;
pub(super) use structure::check_structure;
