//! The store: projects, environments, deliveries, jobs and what was posted, in one database (design §13).
//!
//! `connect` opens it, `sql` has the text that dialects share, `rows` turns rows into domain types; `sqlite`
//! implements the ports, one file each.

pub mod connect;
mod rows;
mod sql;
mod sqlite;

pub use connect::{OpenOptions, StoreError};
pub use sqlite::{Pruned, SqliteLeases, SqliteState, Store};
