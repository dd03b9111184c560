//! The store: projects, environments, deliveries, jobs and what was posted, in one database (design §13).
//!
//! `database` opens `SQLite` or `PostgreSQL` and runs statements on either; `ports` implements the ports with statements
//! that both understand; `sql` has the text that more than one of them uses, `rows` turns rows into domain types.

mod database;
mod news;
mod open;
mod ports;
mod rows;
mod sql;

pub use open::{Location, OpenOptions, Serving, StoreError};
pub use ports::{Pruned, Store, StoredLeases, StoredState};
