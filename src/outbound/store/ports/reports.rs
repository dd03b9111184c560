//! What was posted to the forge, and which environments have news for it.

use async_trait::async_trait;

use super::super::database::{query, scalar};
use super::super::rows::PostedRow;
use super::{Store, commit, failed, touch_report};
use crate::domain::environment::EnvironmentId;
use crate::domain::error::PortResult;
use crate::domain::ports::{Posted, PostedKind, Reports};

#[async_trait]
impl Reports for Store {
    async fn due(&self, limit: i64) -> PortResult<Vec<(EnvironmentId, i64)>> {
        let rows: Vec<(i64, i64)> = query(
            "SELECT id, report_revision FROM environments \
             WHERE report_revision > shown_revision AND report_not_before <= $1 \
             AND project_id NOT IN (SELECT id FROM projects WHERE forge = 'folder') \
             ORDER BY news_since, id LIMIT $2",
        )
        .bind(self.now())
        .bind(limit)
        .fetch_all(self.reader())
        .await
        .map_err(failed("look for reports to write"))?;
        Ok(rows.into_iter().map(|(id, revision)| (EnvironmentId(id), revision)).collect())
    }

    async fn next_due_at(&self) -> PortResult<Option<i64>> {
        scalar(
            "SELECT min(report_not_before) FROM environments WHERE report_revision > shown_revision \
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
    async fn shown(&self, environment: EnvironmentId, revision: i64, not_before: i64) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query(
            "UPDATE environments SET report_not_before = $1, report_error = NULL, news_since = $2, \
             shown_revision = CASE WHEN shown_revision < $3 THEN $3 ELSE shown_revision END WHERE id = $4",
        )
        .bind(not_before)
        .bind(self.now())
        .bind(revision)
        .bind(environment.0)
        .execute(&mut tx)
        .await
        .map_err(failed("record a shown report"))?;
        commit(tx).await
    }

    async fn postpone(&self, environment: EnvironmentId, not_before: i64, why: &str) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query("UPDATE environments SET report_not_before = $1, report_error = $2 WHERE id = $3")
            .bind(not_before)
            .bind(why)
            .bind(environment.0)
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
