//! The `SQLite` adapter: one connection writes, a few read, every write is one short `BEGIN IMMEDIATE` transaction.

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
mod outcomes;
mod prune;
mod reports;
mod second_chances;
mod snapshot;
mod state;

use std::fs::File;
use std::sync::Arc;

use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::connect::{self, OpenOptions, StoreError};
use super::sql;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::Claim;
use crate::domain::ports::{Clock, SystemRandom};
pub use leases::SqliteLeases;
pub use prune::Pruned;
pub use state::SqliteState;

type Tx = Transaction<'static, Sqlite>;

/// The store. Cloning is cheap; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: SqlitePool,
    reader: SqlitePool,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SystemRandom>,
    ttl_ms: i64,
    installation: Uuid,
    queue_news: Arc<News>,
    report_news: News,
    accepts: mpsc::Sender<deliveries::Waiting>,
    _lock: Option<File>,
}

/// Wakes everybody who waits and, should nobody wait just now, the next one to ask.
#[derive(Default)]
struct News(Notify);

impl News {
    fn tell(&self) {
        self.0.notify_waiters();
        self.0.notify_one();
    }

    async fn heard(&self) {
        self.0.notified().await;
    }
}

impl Store {
    /// Opens the database, brings its tables up to date and starts the task that commits deliveries in groups.
    ///
    /// # Errors
    /// See [`StoreError`]; with `exclusive`, also when another process serves the database.
    pub async fn open(options: OpenOptions) -> Result<Self, StoreError> {
        let opened = connect::open(&options).await?;
        let failed = |source| StoreError::Database { path: options.path.clone(), source };
        let installation = installation_id(&opened.writer, options.random.uuid()).await.map_err(failed)?;
        let queue_news = Arc::new(News::default());
        let group = deliveries::GroupCommit {
            writer: opened.writer.clone(),
            clock: Arc::clone(&options.clock),
            queue_news: Arc::clone(&queue_news),
        };
        let inner = Inner {
            writer: opened.writer,
            reader: opened.reader,
            clock: options.clock,
            random: options.random,
            ttl_ms: options.ttl_ms,
            installation,
            queue_news,
            report_news: News::default(),
            accepts: group.start(),
            _lock: opened.lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id of this installation: made with the database, and a mark on everything that the bot makes.
    #[must_use]
    pub fn installation_id(&self) -> Uuid {
        self.inner.installation
    }

    /// Closes all connections; what was committed is on disk already.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.writer.close().await;
    }

    fn now(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    fn reader(&self) -> &SqlitePool {
        &self.inner.reader
    }

    async fn begin(&self) -> PortResult<Tx> {
        begin(&self.inner.writer).await
    }

    fn tell_queue(&self) {
        self.inner.queue_news.tell();
    }

    fn tell_reports(&self) {
        self.inner.report_news.tell();
    }

    /// Both may have news.
    fn tell_all(&self) {
        self.tell_queue();
        self.tell_reports();
    }
}

/// A transaction that holds the write lock from its start, so that it cannot fail half-way for want of it.
async fn begin(writer: &SqlitePool) -> PortResult<Tx> {
    let begin = || writer.begin_with("BEGIN IMMEDIATE");
    let begun = match begin().await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            // On a full disk SQLite rolls back by itself, and the library goes on taking the connection for one
            // with an open transaction.
            let connection = writer.acquire().await.map_err(failed("reconnect"))?;
            connection.close().await.map_err(failed("reconnect"))?;
            begin().await
        }
        begun => begun,
    };
    begun.map_err(failed("begin a transaction"))
}

async fn commit(tx: Tx) -> PortResult<()> {
    tx.commit().await.map_err(failed("commit"))
}

async fn installation_id(writer: &SqlitePool, candidate: Uuid) -> Result<Uuid, sqlx::Error> {
    sqlx::query(
        "INSERT INTO meta (item_key, value) VALUES ('installation_id', $1) ON CONFLICT (item_key) DO NOTHING",
    )
    .bind(candidate.hyphenated().to_string())
    .execute(writer)
    .await?;
    let text: String =
        sqlx::query_scalar("SELECT value FROM meta WHERE item_key = 'installation_id'").fetch_one(writer).await?;
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
    let held: Option<i64> = sqlx::query_scalar(sql::FENCE)
        .bind(claim.job.0)
        .bind(&claim.owner)
        .bind(claim.attempt)
        .bind(claim.epoch)
        .fetch_optional(&mut **tx)
        .await
        .map_err(failed("check a claim"))?;
    let lost =
        || PortError::new(ErrorKind::Fenced, format!("job {} is no longer ours: its claim was lost", claim.job));
    held.map(|_| ()).ok_or_else(lost)
}

/// Asks for the environment's report to be compared again.
async fn touch_report(tx: &mut Tx, now: i64, environment: i64) -> PortResult<()> {
    let touch = sqlx::query(sql::TOUCH_REPORT).bind(now).bind(environment);
    touch.execute(&mut **tx).await.map(|_| ()).map_err(failed("raise a report revision"))
}

/// Milliseconds of a duration, saturating.
fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
