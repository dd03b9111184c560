//! Sections about the process itself: where it listens, where state lives, how work is taken, bounds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::SettingsError;
use crate::domain::compose::MIB;
use crate::domain::ports::CheckoutLimits;

/// `[server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Webhooks, and everything else unless `admin_listen` is set.
    pub listen: SocketAddr,
    /// Everything but webhooks.
    pub admin_listen: Option<SocketAddr>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), admin_listen: None }
    }
}

impl Server {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let same = self.admin_listen.is_some_and(|admin| admin == self.listen && admin.port() != 0);
        if same {
            let message = "server.admin_listen must differ from server.listen".to_owned();
            return Err(SettingsError::Invalid(message));
        }
        Ok(())
    }
}

/// `[database]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite://path`, or `postgres://user@host/database` where several replicas share the work.
    pub url: DatabaseUrl,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: DatabaseUrl::Sqlite(PathBuf::from("data/previewbot.db")) }
    }
}

impl Database {
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let DatabaseUrl::Sqlite(path) = &mut self.url {
            *path = folder.join(&*path);
        }
    }
}

/// A database that the bot can use.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    /// A `SQLite` file.
    Sqlite(PathBuf),
    /// A `PostgreSQL` database; the URL may hold a password.
    Postgres(SecretString),
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Options after a `?` are the store's own business.
        let path = text.strip_prefix("sqlite://").map(|path| path.split('?').next().unwrap_or_default());
        match path {
            Some("" | ":memory:") => {
                Err("database.url names no file: write sqlite://data/previewbot.db".to_owned())
            }
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            None if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                Ok(Self::Postgres(SecretString::from(text)))
            }
            // The text may hold a password, so it is not repeated.
            None => Err("database.url must be sqlite://<file> or postgres://<user>@<host>/<database>".to_owned()),
        }
    }
}

/// `[worker]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Environments worked on at the same time.
    pub concurrency: usize,
    /// How long a claim holds without a heartbeat, in seconds.
    pub lease_seconds: u64,
    /// How often to look for work when nothing wakes the worker, in ms.
    pub poll_ms: u64,
    /// How long running jobs may go on after the bot was asked to end, in seconds.
    pub drain_seconds: u64,
}

impl Default for Worker {
    fn default() -> Self {
        Self { concurrency: 4, lease_seconds: 30, poll_ms: 1000, drain_seconds: 25 }
    }
}

impl Worker {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        for (key, value) in [
            ("worker.concurrency", u64::try_from(self.concurrency).unwrap_or(u64::MAX)),
            ("worker.lease_seconds", self.lease_seconds),
            ("worker.poll_ms", self.poll_ms),
        ] {
            if value == 0 {
                return Err(SettingsError::Invalid(format!("{key} must be at least 1")));
            }
        }
        Ok(())
    }

    /// How long a claim holds without a heartbeat.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// How often to look for work when nothing wakes the worker.
    #[must_use]
    pub const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// How long running jobs may go on after the bot was asked to end.
    #[must_use]
    pub const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Environments in all.
    pub environments: u32,
    /// Environments of one project.
    pub environments_per_project: u32,
    /// How long one step may take, in seconds.
    pub step_timeout_seconds: u64,
    /// How long containers get to stop, in seconds.
    pub stop_seconds: u64,
    /// How long a preview lives after its last deploy, in hours; 0 = for ever.
    pub ttl_hours: u32,
    /// Files of a commit at most.
    pub checkout_files: u64,
    /// All files of a commit together at most, in MiB.
    pub checkout_mb: u64,
    /// What a trusted preview may use of its host's disk where that is short, in MiB.
    pub disk_mb: u64,
    /// Disk of each host that stays free, in MiB; absent: by its size.
    pub disk_floor_mb: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            environments: 50,
            environments_per_project: 20,
            step_timeout_seconds: 1800,
            stop_seconds: 2,
            ttl_hours: 168,
            checkout_files: 200_000,
            checkout_mb: 4_096,
            disk_mb: 10_240,
            disk_floor_mb: None,
        }
    }
}

impl Limits {
    /// How long one step may take.
    #[must_use]
    pub const fn step_timeout(&self) -> Duration {
        Duration::from_secs(self.step_timeout_seconds)
    }

    /// What the checkout of a commit may be at most.
    #[must_use]
    pub const fn checkout(&self) -> CheckoutLimits {
        CheckoutLimits { files: self.checkout_files, bytes: self.checkout_mb.saturating_mul(MIB) }
    }

    /// How many previews there may be.
    #[must_use]
    pub const fn previews(&self) -> crate::domain::limits::Limits {
        crate::domain::limits::Limits { all: self.environments, per_project: self.environments_per_project }
    }

    /// How long a preview lives after its last deploy; `None` = for ever.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        (self.ttl_hours > 0).then(|| Duration::from_secs(u64::from(self.ttl_hours) * 3600))
    }
}
