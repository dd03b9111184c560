use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, Transaction};

use super::Database;

/// A transaction. Dropped without [`Tx::commit`] it never was.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Makes it last.
    pub(crate) async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

/// Where a statement runs: in a transaction, or by itself on a connection that reads.
pub(crate) enum On<'c> {
    Sqlite(&'c mut SqliteConnection),
    SqlitePool(&'c SqlitePool),
    Postgres(&'c mut PgConnection),
    PostgresPool(&'c PgPool),
}

impl<'c> From<&'c mut Tx> for On<'c> {
    fn from(transaction: &'c mut Tx) -> Self {
        match transaction {
            Tx::Sqlite(transaction) => On::Sqlite(transaction),
            Tx::Postgres(transaction) => On::Postgres(transaction),
        }
    }
}

impl<'c> From<&'c Database> for On<'c> {
    fn from(database: &'c Database) -> Self {
        match database {
            Database::Sqlite(connections) => On::SqlitePool(&connections.reader),
            Database::Postgres(connections) => On::PostgresPool(&connections.reader),
        }
    }
}
