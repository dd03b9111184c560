//! YAML in two forms: values through serde ([`from_str`]) for files that other tools define, and a tree that
//! keeps positions and source text ([`tree`]) for the files that people write for us.

pub mod tree;
mod value;

pub use value::{Error, Mapping, Value, documents, from_str};
