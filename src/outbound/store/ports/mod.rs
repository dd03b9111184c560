//! The ports on whichever database there is, one file each. Every write is one short transaction that is alone.

mod assessments;
mod audit;
mod converge;
mod deliveries;
mod endings;
mod environments;
mod folders;
mod hosts;
mod housekeeping;
mod insert;
mod jobs;
mod journal;
mod leases;
mod limits;
mod outcomes;
mod prune;
mod reports;
mod second_chances;
mod snapshot;
mod state;

use std::sync::Arc;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::database::{Database, Tx, query, scalar};
use super::news::News;
use super::open::{OpenOptions, Serving, StoreError};
use super::sql;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::Claim;
use crate::domain::ports::SystemRandom;
pub use leases::StoredLeases;
pub use prune::Pruned;
pub use state::StoredState;

/// The store. Cloning is cheap; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    random: Arc<dyn SystemRandom>,
    ttl_ms: i64,
    is_alone: bool,
    installation: Uuid,
    news: Arc<News>,
    accepts: mpsc::Sender<deliveries::Waiting>,
}

impl Store {
    /// Opens the database, brings its tables up to date and starts the task that commits deliveries in groups.
    ///
    /// # Errors
    /// See [`StoreError`]; for one that serves, also when another process serves the database.
    pub async fn open(options: OpenOptions) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(&options).await?);
        let installation = installation_id(&database, options.random.uuid())
            .await
            .map_err(|source| StoreError::Database { place: database.place().to_owned(), source })?;
        let news = Arc::new(News::default());
        database.announce(&news, options.random.uuid());
        let group = deliveries::GroupCommit { database: Arc::downgrade(&database), news: news.clone() };
        let inner = Inner {
            random: options.random,
            ttl_ms: options.ttl_ms,
            is_alone: options.serving == Serving::Alone,
            installation,
            accepts: group.start(),
            news,
            database,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id of this installation: made with the database, and a mark on everything that the bot makes.
    #[must_use]
    pub fn installation_id(&self) -> Uuid {
        self.inner.installation
    }

    /// Whether other replicas may work on the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.database.is_shared()
    }

    /// Ends what processes that served before hold of reports and duties, where this one serves alone and they are gone.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn take_over(&self) -> PortResult<()> {
        if self.is_shared() && !self.inner.is_alone {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for sql in [
            "UPDATE environments SET reporter = NULL, reporter_until = 0 WHERE reporter IS NOT NULL",
            "DELETE FROM duties",
        ] {
            query(sql).execute(&mut tx).await.map_err(failed("take over from a former process"))?;
        }
        commit(tx).await
    }

    /// Closes all connections; what was committed is kept already.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }

    fn now(&self) -> i64 {
        self.inner.database.now()
    }

    fn reader(&self) -> &Database {
        &self.inner.database
    }

    async fn begin(&self) -> PortResult<Tx> {
        begin(&self.inner.database).await
    }

    fn tell_queue(&self) {
        self.inner.news.tell_queue();
    }

    fn tell_reports(&self) {
        self.inner.news.tell_reports();
    }

    /// Both may have news.
    fn tell_all(&self) {
        self.tell_queue();
        self.tell_reports();
    }
}

/// A transaction that nobody else writes beside.
async fn begin(database: &Database) -> PortResult<Tx> {
    database.begin().await.map_err(failed("begin a transaction"))
}

async fn commit(tx: Tx) -> PortResult<()> {
    tx.commit().await.map_err(failed("commit"))
}

async fn installation_id(database: &Database, candidate: Uuid) -> Result<Uuid, sqlx::Error> {
    const READ: &str = "SELECT value FROM meta WHERE item_key = 'installation_id'";
    let found = scalar(READ).fetch_optional::<String>(database).await?;
    let text = if let Some(text) = found {
        text
    } else {
        let mut tx = database.begin().await?;
        let insert = "INSERT INTO meta (item_key, value) VALUES ('installation_id', $1) ON CONFLICT DO NOTHING";
        query(insert).bind(candidate.hyphenated().to_string()).execute(&mut tx).await?;
        tx.commit().await?;
        // Another process may have been quicker.
        scalar(READ).fetch_one(database).await?
    };
    text.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))
}

/// Turns the library's error into a port's: `failed("claim a job")`.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> PortError {
    move |error| {
        let kind = match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => ErrorKind::Conflict,
            sqlx::Error::Database(e) if e.is_check_violation() || e.is_foreign_key_violation() => {
                ErrorKind::Invalid
            }
            sqlx::Error::RowNotFound => ErrorKind::NotFound,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => {
                ErrorKind::Invalid
            }
            _ => ErrorKind::Unavailable,
        };
        PortError::with_source(kind, format!("database: cannot {what}"), error)
    }
}

/// Refuses everything to a worker whose claim is gone. Inside the transaction of the write that it guards.
async fn check_claim(tx: &mut Tx, claim: &Claim) -> PortResult<()> {
    let held: Option<i64> = scalar(sql::FENCE)
        .bind(claim.job.0)
        .bind(&claim.owner)
        .bind(claim.attempt)
        .bind(claim.epoch)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("check a claim"))?;
    let lost =
        || PortError::new(ErrorKind::Fenced, format!("job {} is no longer ours: its claim was lost", claim.job));
    held.map(|_| ()).ok_or_else(lost)
}

/// Asks for the environment's report to be compared again.
async fn touch_report(tx: &mut Tx, now: i64, environment: i64) -> PortResult<()> {
    let touch = query(sql::TOUCH_REPORT).bind(now).bind(environment);
    touch.execute(&mut *tx).await.map(drop).map_err(failed("raise a report revision"))
}

/// Milliseconds of a duration, saturating.
fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
