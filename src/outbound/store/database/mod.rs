//! The database behind the store: a `SQLite` file, or `PostgreSQL` where several replicas share the work. Nothing outside
//! this folder names a driver.
//!
//! Everywhere else a write may rely on being alone: what a transaction has read is still so when it commits. `SQLite`
//! gives that with its one write lock; on `PostgreSQL` a transaction takes an advisory lock first. Transactions last
//! milliseconds, and a job takes seconds: what more writers at a time would gain is not worth the races.

mod json;
mod postgres;
mod query;
mod sqlite;
mod transaction;

use std::sync::Arc;

use uuid::Uuid;

use crate::outbound::store::news::News;
use crate::outbound::store::open::{Location, OpenOptions, StoreError};

pub(crate) use json::Json;
pub(crate) use query::{query, scalar};
pub(crate) use transaction::{On, Tx};

/// An open database.
pub(crate) enum Database {
    Sqlite(sqlite::Connections),
    Postgres(postgres::Connections),
}

impl Database {
    /// Opens it and brings its tables up to date.
    pub(crate) async fn open(options: &OpenOptions) -> Result<Self, StoreError> {
        match &options.location {
            Location::File(path) => sqlite::open(path, options).await.map(Self::Sqlite),
            Location::Server { url, clock } => {
                postgres::open(url, clock.clone(), options).await.map(Self::Postgres)
            }
        }
    }

    /// A transaction that writes: nobody else writes before it ends.
    pub(crate) async fn begin(&self) -> sqlx::Result<Tx> {
        match self {
            Self::Sqlite(connections) => sqlite::begin(&connections.writer).await.map(Tx::Sqlite),
            Self::Postgres(connections) => postgres::begin(&connections.writer).await.map(Tx::Postgres),
        }
    }

    /// A transaction that reads: everything in it is seen as of one moment.
    pub(crate) async fn begin_reading(&self) -> sqlx::Result<Tx> {
        match self {
            Self::Sqlite(connections) => connections.reader.begin().await.map(Tx::Sqlite),
            Self::Postgres(connections) => postgres::begin_reading(&connections.reader).await.map(Tx::Postgres),
        }
    }

    /// Now in database time, ms since the epoch: leases of all replicas are measured by one clock.
    pub(crate) fn now(&self) -> i64 {
        match self {
            Self::Sqlite(connections) => connections.clock.now_ms(),
            Self::Postgres(connections) => connections.time.now(),
        }
    }

    /// Where it is, for people: no password.
    pub(crate) fn place(&self) -> &str {
        match self {
            Self::Sqlite(connections) => &connections.place,
            Self::Postgres(connections) => &connections.place,
        }
    }

    /// Joins the replicas that share the database, where it can be shared.
    pub(crate) fn announce(&self, news: &Arc<News>, me: Uuid) {
        if let Self::Postgres(connections) = self {
            connections.announce(news, me);
        }
    }

    /// Whether other processes may work on the same database.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Closes all connections; what was committed is kept already.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(connections) => {
                connections.reader.close().await;
                connections.writer.close().await;
            }
            Self::Postgres(connections) => connections.close().await,
        }
    }
}
