//! Opening the database: file, lock, migrations, pools.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::domain::ports::{Clock, SystemRandom};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections that read beside the one that writes.
const READERS: u32 = 4;

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How to open the store.
#[derive(Clone)]
pub struct OpenOptions {
    /// The database file; it and its folder are made when missing.
    pub path: PathBuf,
    /// Whether this process serves: a second one that serves is then refused.
    pub exclusive: bool,
    /// Database time: leases, backoff and every recorded time come from it.
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
    /// A later version of the bot has changed the tables.
    #[error(
        "{path} was made by a newer previewbot (its table version {version} is unknown here): use that version"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The unknown version.
        version: i64,
    },
    /// The tables differ from what this version made of them.
    #[error("cannot bring the tables of {path} up to date: {source}")]
    Migration {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: MigrateError,
    },
    /// Anything else that the database said.
    #[error("cannot open the database {path}: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
}

/// What [`open`] hands to the store.
pub(super) struct Opened {
    pub(super) writer: SqlitePool,
    pub(super) reader: SqlitePool,
    pub(super) lock: Option<File>,
}

pub(super) async fn open(options: &OpenOptions) -> Result<Opened, StoreError> {
    let path = &options.path;
    make_file(path)?;
    let lock = if options.exclusive { Some(lock_for_serving(path)?) } else { None };
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
    Ok(Opened { writer, reader, lock })
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
        MigrateError::VersionMissing(version) => StoreError::Newer { path: path.to_owned(), version },
        MigrateError::Execute(source) => database_error(path, source),
        source => StoreError::Migration { path: path.to_owned(), source },
    })
}

fn database_error(path: &Path, source: sqlx::Error) -> StoreError {
    let code = source.as_database_error().and_then(|e| e.code().map(std::borrow::Cow::into_owned));
    match code.as_deref() {
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        Some("11" | "26") => StoreError::Corrupt(path.to_owned()),
        _ => StoreError::Database { path: path.to_owned(), source },
    }
}
