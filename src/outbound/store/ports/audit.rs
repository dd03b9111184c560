//! The audit log.

use async_trait::async_trait;

use super::super::database::query;
use super::super::rows::AuditRow;
use super::{Store, commit, failed};
use crate::domain::change::Sha;
use crate::domain::error::PortResult;
use crate::domain::ports::{Audit, AuditRecord};

#[async_trait]
impl Audit for Store {
    async fn record(&self, record: &AuditRecord) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query(
            "INSERT INTO audit (happened_at, actor, source, action, environment, commit_id, detail, allowed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(record.at)
        .bind(&record.actor)
        .bind(&record.source)
        .bind(&record.action)
        .bind(&record.environment)
        .bind(record.commit.as_ref().map(Sha::as_str))
        .bind(&record.detail)
        .bind(record.allowed)
        .execute(&mut tx)
        .await
        .map_err(failed("write the audit log"))?;
        commit(tx).await
    }

    async fn list(&self, limit: i64) -> PortResult<Vec<AuditRecord>> {
        let rows: Vec<AuditRow> = query("SELECT * FROM audit ORDER BY id DESC LIMIT $1")
            .bind(limit)
            .fetch_all(self.reader())
            .await
            .map_err(failed("read the audit log"))?;
        rows.into_iter().map(AuditRow::record).collect()
    }
}
