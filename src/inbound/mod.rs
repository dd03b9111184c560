//! Who calls us.

pub mod cli;
pub mod http;
