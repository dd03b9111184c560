//! Retention: nothing grows without bound.

use super::super::database::query;
use super::{Store, Tx, commit, failed};
use crate::domain::error::PortResult;

/// Days that the audit log reaches back: a year, and a month to look at it.
const AUDIT_DAYS: i64 = 400;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How much was pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Finished jobs, with their steps.
    pub jobs: u64,
    /// Deliveries that no assessment waits for, with their bodies.
    pub deliveries: u64,
    /// Decisions and lines of step history.
    pub history: u64,
    /// Records of the audit log.
    pub audit: u64,
}

impl Store {
    /// Removes what ended before this (ms since the epoch). The newest job of each environment stays, its
    /// report is made from it; the audit log is kept for 400 days whatever is asked for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune_before(&self, before: i64) -> PortResult<Pruned> {
        let mut tx = self.begin().await?;
        let jobs = delete(
            &mut tx,
            "DELETE FROM jobs WHERE finished_at < $1 AND NOT (touches AND id = \
             (SELECT max(n.id) FROM jobs n WHERE n.environment_id = jobs.environment_id AND n.touches))",
            before,
        )
        .await?;
        let deliveries = delete(
            &mut tx,
            "DELETE FROM deliveries WHERE received_at < $1 AND (outcome IS NOT NULL OR NOT EXISTS \
             (SELECT 1 FROM jobs j WHERE j.serial_key = 'assess:' || deliveries.subject_key \
              AND j.state IN ('queued', 'waiting', 'running')))",
            before,
        )
        .await?;
        let decisions = delete(&mut tx, "DELETE FROM decisions WHERE decided_at < $1", before).await?;
        let steps = delete(&mut tx, "DELETE FROM audit_steps WHERE recorded_at < $1", before).await?;
        let audited = self.now().saturating_sub(AUDIT_DAYS * DAY_MS);
        let audit = delete(&mut tx, "DELETE FROM audit WHERE happened_at < $1", audited).await?;
        commit(tx).await?;
        Ok(Pruned { jobs, deliveries, history: decisions + steps, audit })
    }
}

async fn delete(tx: &mut Tx, statement: &'static str, before: i64) -> PortResult<u64> {
    query(statement).bind(before).execute(&mut *tx).await.map_err(failed("prune"))
}
