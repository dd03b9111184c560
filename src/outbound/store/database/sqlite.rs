//! `SQLite`: a file and its lock; one connection writes, a few read, every write is one short `BEGIN IMMEDIATE`
//! transaction.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

use crate::domain::ports::Clock;
use crate::outbound::store::open::{OpenOptions, Serving, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections that read beside the one that writes.
const READERS: u32 = 4;

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database.
pub(crate) struct Connections {
    pub(super) writer: SqlitePool,
    pub(super) reader: SqlitePool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) place: String,
    _lock: Option<File>,
}

pub(super) async fn open(path: &Path, options: &OpenOptions) -> Result<Connections, StoreError> {
    make_file(path)?;
    let lock = if options.serving == Serving::No { None } else { Some(lock_for_serving(path)?) };
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let database = |source| database_error(path, source);
    let pool = || SqlitePoolOptions::new().max_lifetime(None).idle_timeout(None).test_before_acquire(false);
    let writer = pool().max_connections(1).connect_with(connect.clone()).await.map_err(database)?;
    migrate(&writer, path).await?;
    let reader = pool().max_connections(READERS).connect_lazy_with(connect.pragma("query_only", "ON"));
    Ok(Connections { writer, reader, clock: options.clock.clone(), place: place(path), _lock: lock })
}

/// Where the database is, for people.
fn place(path: &Path) -> String {
    path.display().to_string()
}

/// Makes folder and file, the file for its owner only: it holds webhook bodies. `SQLite`'s side files follow it.
fn make_file(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        // As the bot makes its data folder: others may pass through and not look in.
        let made = fs::DirBuilder::new().recursive(true).mode(0o711).create(folder);
        made.map_err(|source| StoreError::File { path: folder.to_owned(), source })?;
    }
    open_private(path).map(drop)
}

fn open_private(path: &Path) -> Result<File, StoreError> {
    let options = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    options.map_err(|source| StoreError::File { path: path.to_owned(), source })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn lock_for_serving(path: &Path) -> Result<File, StoreError> {
    let lock_path = beside(path, ".lock");
    let failed = |source| StoreError::File { path: lock_path.clone(), source };
    let mut file = open_private(&lock_path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        file.read_to_string(&mut pid).map_err(failed)?;
        let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
        return Err(StoreError::Served { pid, path: path.to_owned() });
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// Runs what is new of the migrations. The lock keeps two processes that start together apart.
async fn migrate(writer: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let lock_path = beside(path, ".migrate");
    let file = open_private(&lock_path)?;
    let locked =
        tokio::task::spawn_blocking(move || flock(&file, FlockOperation::LockExclusive).map(|()| file)).await;
    let _file = match locked {
        Ok(Ok(file)) => file,
        Ok(Err(errno)) => return Err(StoreError::File { path: lock_path, source: errno.into() }),
        Err(joined) => return Err(StoreError::File { path: lock_path, source: std::io::Error::other(joined) }),
    };
    MIGRATIONS.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => StoreError::Newer { place: place(path), version },
        MigrateError::Execute(source) => database_error(path, source),
        source => StoreError::Migration { place: place(path), source },
    })
}

fn database_error(path: &Path, source: sqlx::Error) -> StoreError {
    let code = source.as_database_error().and_then(|e| e.code().map(std::borrow::Cow::into_owned));
    match code.as_deref() {
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        Some("11" | "26") => StoreError::Corrupt(path.to_owned()),
        _ => StoreError::Database { place: place(path), source },
    }
}

/// A transaction that holds the write lock from its start, so that it cannot fail half-way for want of it.
pub(super) async fn begin(writer: &SqlitePool) -> sqlx::Result<Transaction<'static, Sqlite>> {
    let begin = || writer.begin_with("BEGIN IMMEDIATE");
    match begin().await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            // On a full disk SQLite rolls back by itself, and the library goes on taking the connection for one
            // with an open transaction.
            writer.acquire().await?.close().await?;
            begin().await
        }
        begun => begun,
    }
}
