//! What was posted to the forge, and which environments have news for it.

use async_trait::async_trait;

use super::super::database::{query, scalar};
use super::super::rows::PostedRow;
use super::{Store, commit, failed, touch_report};
use crate::domain::environment::EnvironmentId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{Posted, PostedKind, REPORT_LEASE_MS, ReportLease, Reports};

/// Which reports may be written now ($1) by this process ($2).
macro_rules! due {
    () => {
        "report_revision > shown_revision AND report_not_before <= $1 \
         AND (reporter IS NULL OR reporter = $2 OR reporter_until <= $1) \
         AND project_id NOT IN (SELECT id FROM projects WHERE forge = 'folder')"
    };
}

const FIRST_DUE: &str = concat!("SELECT id FROM environments WHERE ", due!(), " LIMIT 1");
const LEASE_DUE: &str = concat!(
    "UPDATE environments SET reporter = $2, reporter_until = $3 WHERE id IN (SELECT id FROM environments WHERE ",
    due!(),
    " ORDER BY news_since, id LIMIT $4) RETURNING news_since, id, report_revision"
);

#[async_trait]
impl Reports for Store {
    async fn due(&self, holder: &str, limit: i64) -> PortResult<Vec<ReportLease>> {
        let news: Option<i64> = scalar(FIRST_DUE)
            .bind(self.now())
            .bind(holder)
            .fetch_optional(self.reader())
            .await
            .map_err(failed("look for reports to write"))?;
        if news.is_none() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let mut rows: Vec<(i64, i64, i64)> = query(LEASE_DUE)
            .bind(self.now())
            .bind(holder)
            .bind(self.now() + REPORT_LEASE_MS)
            .bind(limit)
            .fetch_all(&mut tx)
            .await
            .map_err(failed("lease reports to write"))?;
        commit(tx).await?;
        rows.sort_unstable();
        let lease = |(_, id, revision)| ReportLease {
            environment: EnvironmentId(id),
            revision,
            holder: holder.to_owned(),
        };
        Ok(rows.into_iter().map(lease).collect())
    }

    async fn hold(&self, lease: &ReportLease) -> PortResult<()> {
        let mut tx = self.begin().await?;
        let held = query("UPDATE environments SET reporter_until = $1 WHERE id = $2 AND reporter = $3")
            .bind(self.now() + REPORT_LEASE_MS)
            .bind(lease.environment.0)
            .bind(&lease.holder)
            .execute(&mut tx)
            .await
            .map_err(failed("hold a report"))?;
        commit(tx).await?;
        if held == 1 {
            return Ok(());
        }
        Err(PortError::new(ErrorKind::Fenced, "another process writes this report now"))
    }

    async fn next_due_at(&self) -> PortResult<Option<i64>> {
        scalar(
            "SELECT min(CASE WHEN reporter_until > report_not_before THEN reporter_until ELSE report_not_before END) \
             FROM environments WHERE report_revision > shown_revision \
             AND project_id NOT IN (SELECT id FROM projects WHERE forge = 'folder')",
        )
        .fetch_one(self.reader())
        .await
        .map_err(failed("look when the next report is due"))
    }

    async fn posted(&self, environment: EnvironmentId) -> PortResult<Vec<Posted>> {
        let rows: Vec<PostedRow> = query(
            "SELECT kind, item_key, forge_id, hash, state FROM posted WHERE environment_id = $1 \
             ORDER BY updated_at, kind, item_key",
        )
        .bind(environment.0)
        .fetch_all(self.reader())
        .await
        .map_err(failed("read what was posted"))?;
        rows.into_iter().map(PostedRow::posted).collect()
    }

    async fn save(&self, environment: EnvironmentId, posted: &Posted) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query(
            "INSERT INTO posted (environment_id, kind, item_key, forge_id, hash, state, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (environment_id, kind, item_key) DO UPDATE \
             SET forge_id = excluded.forge_id, hash = excluded.hash, state = excluded.state, \
             updated_at = excluded.updated_at",
        )
        .bind(environment.0)
        .bind(posted.kind.as_str())
        .bind(&posted.key)
        .bind(posted.forge_id.map(u64::cast_signed))
        .bind(&posted.hash)
        .bind(&posted.state)
        .bind(self.now())
        .execute(&mut tx)
        .await
        .map_err(failed("record what was posted"))?;
        commit(tx).await
    }

    async fn forget(&self, environment: EnvironmentId, kind: PostedKind, key: &str) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query("DELETE FROM posted WHERE environment_id = $1 AND kind = $2 AND item_key = $3")
            .bind(environment.0)
            .bind(kind.as_str())
            .bind(key)
            .execute(&mut tx)
            .await
            .map_err(failed("forget what was posted"))?;
        commit(tx).await
    }

    /// News that came after `revision` stay news.
    async fn shown(&self, lease: &ReportLease, revision: i64, not_before: i64) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query(
            "UPDATE environments SET report_not_before = $1, report_error = NULL, news_since = $2, \
             reporter = NULL, reporter_until = 0, \
             shown_revision = CASE WHEN shown_revision < $3 THEN $3 ELSE shown_revision END \
             WHERE id = $4 AND reporter = $5",
        )
        .bind(not_before)
        .bind(self.now())
        .bind(revision)
        .bind(lease.environment.0)
        .bind(&lease.holder)
        .execute(&mut tx)
        .await
        .map_err(failed("record a shown report"))?;
        commit(tx).await
    }

    async fn postpone(&self, lease: &ReportLease, not_before: i64, why: &str) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query(
            "UPDATE environments SET report_not_before = $1, report_error = $2, reporter = NULL, reporter_until = 0 \
             WHERE id = $3 AND reporter = $4",
        )
        .bind(not_before)
        .bind(why)
        .bind(lease.environment.0)
        .bind(&lease.holder)
        .execute(&mut tx)
        .await
        .map_err(failed("postpone a report"))?;
        commit(tx).await
    }

    async fn touch(&self, environment: EnvironmentId) -> PortResult<()> {
        let mut tx = self.begin().await?;
        touch_report(&mut tx, self.now(), environment.0).await?;
        commit(tx).await?;
        self.tell_reports();
        Ok(())
    }

    async fn woken(&self) {
        self.inner.news.reports.heard().await;
    }
}
