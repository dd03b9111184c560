//! `PostgreSQL`: a connection that writes, some that read, one that listens to other replicas.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool, Postgres, Transaction};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::ports::Clock;
use crate::outbound::store::news::News;
use crate::outbound::store::open::{OpenOptions, Serving, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Connections that read beside the one that writes.
const READERS: u32 = 6;

/// How long a caller waits for a connection: well below the time that a forge waits for the answer to a webhook.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Between two looks at the server's clock.
const TIME_CHECK: Duration = Duration::from_secs(10);

/// Rest before the connection that listens is made again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// What every connection begins with. A replica that is stopped or cut off in mid-transaction must not keep the others
/// from writing for longer than they wait for a lock.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '15s'; \
     SET statement_timeout = '60s'; SET client_min_messages = 'warning'";

/// Begins a transaction that nobody else writes beside: of this schema's replicas, one at a time.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('previewbot'), hashtext(current_schema()))";

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The channel that replicas tell each other on; all of one schema use the same.
const CHANNEL: &str = "SELECT 'previewbot_' || current_schema()";

/// An open database.
pub(crate) struct Connections {
    pub(super) writer: PgPool,
    pub(super) reader: PgPool,
    pub(super) time: Arc<ServerTime>,
    pub(super) place: String,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    /// The connection whose lock keeps others from serving beside one that must be alone.
    serving: Mutex<Option<PgConnection>>,
}

impl Connections {
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(connection) = serving {
            // A connection that is gone has given its lock back already.
            let _ = connection.close().await;
        }
        self.reader.close().await;
        self.writer.close().await;
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The server's clock as last read, carried on by a clock of this machine that nobody sets. So an hour that an operator
/// or a time server moves this machine by moves no lease.
pub(crate) struct ServerTime {
    read: Mutex<(i64, Instant)>,
    instead: Option<Arc<dyn Clock>>,
}

impl ServerTime {
    pub(super) fn now(&self) -> i64 {
        if let Some(clock) = &self.instead {
            return clock.now_ms();
        }
        let (read, at) = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.saturating_add(i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn set(&self, read: i64, asked: Instant) {
        let half_way = asked + asked.elapsed() / 2;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = (read, half_way);
    }
}

fn options(url: &SecretString) -> Result<PgConnectOptions, StoreError> {
    PgConnectOptions::from_str(url.expose_secret())
        .map(|options| options.application_name("previewbot"))
        .map_err(|error| StoreError::Url { reason: error.to_string() })
}

/// Where the database is, for people: no password.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("postgres://{}@{}:{}/{database}", options.get_username(), options.get_host(), options.get_port())
}

pub(super) async fn open(
    url: &SecretString,
    instead: Option<Arc<dyn Clock>>,
    OpenOptions { clock, serving, .. }: &OpenOptions,
) -> Result<Connections, StoreError> {
    let options = options(url)?;
    let place = place(&options);
    let failed = |source| StoreError::Database { place: place.clone(), source };
    // Before the tables are touched: they may be those of a bot that serves.
    let serving = match serving {
        Serving::No => None,
        Serving::Alone | Serving::Together => Some(lock_for_serving(&options, &place, *serving).await?),
    };
    migrate(&options, &place).await?;
    let pool = |connections: u32| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(drop) }))
    };
    let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
    let reader = pool(READERS).connect_lazy_with(options);
    let asked = Instant::now();
    let now: i64 = sqlx::query_scalar(NOW).fetch_one(&writer).await.map_err(failed)?;
    let time = Arc::new(ServerTime { read: Mutex::new((now, asked)), instead });
    time.set(now, asked);
    let stop = CancellationToken::new();
    let following = follow_time(reader.clone(), time.clone(), clock.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(following));
    let clock = clock.clone();
    Ok(Connections { writer, reader, time, place, clock, stop, serving: Mutex::new(serving) })
}

/// Several that share the work hold the lock together.
async fn lock_for_serving(
    options: &PgConnectOptions,
    place: &str,
    serving: Serving,
) -> Result<PgConnection, StoreError> {
    let failed = |source| StoreError::Database { place: place.to_owned(), source };
    let mut connection = PgConnection::connect_with(options).await.map_err(failed)?;
    let lock = match serving {
        Serving::Together => {
            "SELECT pg_try_advisory_lock_shared(hashtext('previewbot serve'), hashtext(current_schema()))"
        }
        _ => "SELECT pg_try_advisory_lock(hashtext('previewbot serve'), hashtext(current_schema()))",
    };
    let ours: bool = sqlx::query_scalar(lock).fetch_one(&mut connection).await.map_err(failed)?;
    if ours { Ok(connection) } else { Err(StoreError::ServedElsewhere { place: place.to_owned() }) }
}

/// The library's own lock keeps two replicas that start together apart.
async fn migrate(options: &PgConnectOptions, place: &str) -> Result<(), StoreError> {
    let failed = |source| StoreError::Database { place: place.to_owned(), source };
    let mut connection = PgConnection::connect_with(options).await.map_err(failed)?;
    connection.execute("SET client_min_messages = 'warning'").await.map_err(failed)?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => StoreError::Newer { place: place.to_owned(), version },
        MigrateError::Execute(source) => failed(source),
        source => StoreError::Migration { place: place.to_owned(), source },
    })?;
    connection.close().await.map_err(failed)
}

async fn follow_time(reader: PgPool, time: Arc<ServerTime>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(TIME_CHECK).await;
        let Ok(mut connection) = reader.acquire().await else { continue };
        let asked = Instant::now();
        if let Ok(now) = sqlx::query_scalar(NOW).fetch_one(&mut *connection).await {
            time.set(now, asked);
        }
    }
}

pub(super) async fn begin(writer: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    writer.begin_with(BEGIN).await
}

pub(super) async fn begin_reading(reader: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    reader.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

impl Connections {
    /// Tells other replicas what this one did, and this one what they did. What is lost with a connection is found by
    /// polling.
    pub(crate) fn announce(&self, news: &Arc<News>, me: Uuid) {
        let me = me.simple().to_string();
        let speak = speak(self.reader.clone(), news.clone(), me.clone());
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(speak));
        let listen = listen(self.reader.clone(), news.clone(), me, self.clock.clone());
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(listen));
    }
}

/// However much happens meanwhile, it is one announcement.
async fn speak(reader: PgPool, news: Arc<News>, me: String) {
    loop {
        news.elsewhere.notified().await;
        let said = sqlx::query("SELECT pg_notify('previewbot_' || current_schema(), $1)").bind(&me);
        if let Err(error) = said.execute(&reader).await {
            tracing::debug!(%error, "other replicas cannot be told that there is work; they will look by themselves");
        }
    }
}

async fn listen(reader: PgPool, news: Arc<News>, me: String, clock: Arc<dyn Clock>) {
    loop {
        if let Err(error) = hear(&reader, &news, &me).await {
            tracing::warn!(%error, "news of other replicas cannot be heard; looking by itself until then");
        }
        // Whatever was said while nobody listened.
        news.heard_from_elsewhere();
        clock.sleep(LISTEN_AGAIN).await;
    }
}

async fn hear(reader: &PgPool, news: &News, me: &str) -> sqlx::Result<()> {
    let channel: String = sqlx::query_scalar(CHANNEL).fetch_one(reader).await?;
    let mut listener = PgListener::connect_with(reader).await?;
    listener.listen(&channel).await?;
    while let Some(said) = listener.try_recv().await? {
        if said.payload() != me {
            news.heard_from_elsewhere();
        }
    }
    Ok(())
}
