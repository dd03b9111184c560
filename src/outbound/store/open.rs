//! How the store is opened, and why it could not be.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use sqlx::migrate::MigrateError;

use crate::domain::ports::{Clock, SystemRandom};

/// Where the database is.
#[derive(Clone)]
pub enum Location {
    /// A `SQLite` file; it and its folder are made when missing.
    File(PathBuf),
    /// A `PostgreSQL` database.
    Server {
        /// Its URL, which may hold a password.
        url: SecretString,
        /// Database time; the server's own unless a clock is given.
        clock: Option<Arc<dyn Clock>>,
    },
}

/// What a process that opens the store is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// A command: others may serve meanwhile.
    No,
    /// A bot that must be the only one: what it makes lies on its own machine. A file has one bot in any case.
    Alone,
    /// One of several bots on a server.
    Together,
}

/// How to open the store.
#[derive(Clone)]
pub struct OpenOptions {
    /// Where it is.
    pub location: Location,
    /// Whether this process serves, and who may beside it.
    pub serving: Serving,
    /// Time by which the store waits; on a file also database time: leases, backoff and every recorded time.
    pub clock: Arc<dyn Clock>,
    /// Lives, the installation's id and jitter.
    pub random: Arc<dyn SystemRandom>,
    /// How long a ready environment lives, in ms; 0 = for ever.
    pub ttl_ms: i64,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process serves it.
    #[error("another previewbot serves this database (pid {pid}): {path}; stop it first")]
    Served {
        /// Its process id, `unknown` when it did not say.
        pid: String,
        /// The database file.
        path: PathBuf,
    },
    /// Another process serves it from a server.
    #[error(
        "another previewbot serves {place}; stop it first, or have no project with mode = \"local\" in the settings of \
         either: only bots that run nothing on their own machines can share a database"
    )]
    ServedElsewhere {
        /// The database, without a password.
        place: String,
    },
    /// The file, its folder or its lock cannot be made or read.
    #[error("cannot open the database file {path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no database, or a damaged one.
    #[error("{0} is not a sound SQLite database: restore a backup, or move the file away to begin anew")]
    Corrupt(PathBuf),
    /// The URL of the server cannot be understood. What it says is not repeated: it may hold a password.
    #[error("the URL of the PostgreSQL database is wrong: {reason}; it looks like postgres://user@host/database")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// A later version of the bot has changed the tables.
    #[error(
        "{place} was made by a newer previewbot (its table version {version} is unknown here): use that version"
    )]
    Newer {
        /// The database, without a password.
        place: String,
        /// The unknown version.
        version: i64,
    },
    /// The tables differ from what this version made of them.
    #[error("cannot bring the tables of {place} up to date: {source}")]
    Migration {
        /// The database, without a password.
        place: String,
        /// Why.
        source: MigrateError,
    },
    /// Anything else that the database said.
    #[error("cannot open the database {place}: {source}")]
    Database {
        /// The database, without a password.
        place: String,
        /// What it said.
        source: sqlx::Error,
    },
}
