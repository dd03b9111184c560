//! The core's entries, kept in the environments' rows and fenced by one job's claim.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::super::database::{Json, query, scalar};
use super::{Store, Tx, check_claim, commit, failed};
use crate::domain::checkpoint::AuditEntry;
use crate::domain::entry::{EnvironmentEntry, State};
use crate::domain::environment::{EnvName, EnvironmentId};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::Claim;
use crate::domain::ports::StatePort;

/// The state of one environment's project, as one job may see and change it.
pub struct StoredState {
    store: Store,
    environment: EnvironmentId,
    claim: Option<Claim>,
}

impl StoredState {
    /// State for work on `environment`. Without a claim writes are not fenced: for a command that holds the
    /// environment by other means.
    #[must_use]
    pub fn new(store: Store, environment: EnvironmentId, claim: Option<Claim>) -> Self {
        Self { store, environment, claim }
    }

    /// A transaction in which the claim holds.
    async fn begin(&self) -> PortResult<Tx> {
        let mut tx = self.store.begin().await?;
        if let Some(claim) = &self.claim {
            check_claim(&mut tx, claim).await?;
        }
        Ok(tx)
    }

    /// Only this job's own environment may be written under its claim.
    async fn write_entry(&self, name: &str, entry: Option<&EnvironmentEntry>) -> PortResult<()> {
        let mut tx = self.begin().await?;
        let written = query(
            "UPDATE environments SET entry = $1, updated_at = $2 WHERE name = $3 AND (id = $4 OR (NOT $5 \
             AND project_id = (SELECT project_id FROM environments WHERE id = $4)))",
        )
        .bind(entry.map(Json))
        .bind(self.store.now())
        .bind(EnvName::of_text(name).as_str())
        .bind(self.environment.0)
        .bind(self.claim.is_some())
        .execute(&mut tx)
        .await
        .map_err(failed("write an entry"))?;
        if written == 0 && entry.is_some() {
            let message = format!("environment `{name}` has no row that this job may write");
            return Err(PortError::new(ErrorKind::NotFound, message));
        }
        commit(tx).await
    }
}

/// The name that the entry itself knows; a row's name may be a tamer form of it.
fn called(row: String, entry: &EnvironmentEntry) -> String {
    if entry.name.is_empty() { row } else { entry.name.clone() }
}

#[async_trait]
impl StatePort for StoredState {
    async fn load(&self) -> PortResult<State> {
        let rows: Vec<(String, Json<EnvironmentEntry>)> = query(
            "SELECT name, entry FROM environments WHERE entry IS NOT NULL \
             AND project_id = (SELECT project_id FROM environments WHERE id = $1)",
        )
        .bind(self.environment.0)
        .fetch_all(self.store.reader())
        .await
        .map_err(failed("read entries"))?;
        let environments: BTreeMap<_, _> =
            rows.into_iter().map(|(name, entry)| (called(name, &entry.0), entry.0)).collect();
        Ok(State { version: 1, environments })
    }

    async fn get_environment(&self, name: &str) -> PortResult<Option<EnvironmentEntry>> {
        let entry: Option<Json<EnvironmentEntry>> = scalar(
            "SELECT entry FROM environments WHERE name = $1 AND entry IS NOT NULL \
             AND project_id = (SELECT project_id FROM environments WHERE id = $2)",
        )
        .bind(EnvName::of_text(name).as_str())
        .bind(self.environment.0)
        .fetch_optional(self.store.reader())
        .await
        .map_err(failed("read an entry"))?;
        Ok(entry.map(|json| json.0))
    }

    async fn set_environment(&self, entry: &EnvironmentEntry) -> PortResult<()> {
        let stored = EnvironmentEntry { audit_log: Vec::new(), ..entry.clone() };
        self.write_entry(&entry.name, Some(&stored)).await
    }

    async fn remove_environment(&self, name: &str) -> PortResult<()> {
        self.write_entry(name, None).await
    }

    async fn append_audit(&self, name: &str, entry: &AuditEntry) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query(
            "INSERT INTO audit_steps (environment_id, recorded_at, entry) SELECT id, $1, $2 FROM environments \
             WHERE name = $3 AND project_id = (SELECT project_id FROM environments WHERE id = $4)",
        )
        .bind(self.store.now())
        .bind(Json(entry))
        .bind(EnvName::of_text(name).as_str())
        .bind(self.environment.0)
        .execute(&mut tx)
        .await
        .map_err(failed("record step history"))?;
        commit(tx).await
    }

    async fn audit(&self, name: &str) -> PortResult<Vec<AuditEntry>> {
        let entries: Vec<Json<AuditEntry>> = scalar(
            "SELECT a.entry FROM audit_steps a JOIN environments e ON e.id = a.environment_id WHERE e.name = $1 \
             AND e.project_id = (SELECT project_id FROM environments WHERE id = $2) ORDER BY a.id",
        )
        .bind(EnvName::of_text(name).as_str())
        .bind(self.environment.0)
        .fetch_all(self.store.reader())
        .await
        .map_err(failed("read step history"))?;
        Ok(entries.into_iter().map(|json| json.0).collect())
    }
}
