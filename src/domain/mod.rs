//! Nouns and rules. No I/O; async only in the traits of [`ports`].

pub mod change;
pub mod checkpoint;
pub mod command;
pub mod compose;
pub mod decision;
pub mod entry;
pub mod environment;
pub mod error;
pub mod event;
pub mod hook;
pub mod job;
pub mod manifest;
pub mod policy;
pub mod port_map;
pub mod ports;
pub mod progress;
pub mod project;
pub mod redact;
pub mod render;
pub mod report;
pub mod wording;
pub mod yaml;
