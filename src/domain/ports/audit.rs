use async_trait::async_trait;

use crate::domain::change::Sha;
use crate::domain::error::PortResult;

/// One privileged act, or the refusal of one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditRecord {
    /// When, ms since the epoch.
    pub at: i64,
    /// Who: a login; `None` for the bot itself.
    pub actor: Option<String>,
    /// Through what: `comment`, `webhook`, `dashboard`, `cli`, `reconciler`.
    pub source: String,
    /// What was asked for, as a word: `deploy`, `destroy`.
    pub action: String,
    /// The environment as people call it, `shop/pr-42`.
    pub environment: Option<String>,
    /// The commit that it was about.
    pub commit: Option<Sha>,
    /// One sentence.
    pub detail: String,
    /// Whether it was allowed.
    pub allowed: bool,
}

/// The audit log: every privileged act and denial.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Keeps one record.
    async fn record(&self, record: &AuditRecord) -> PortResult<()>;

    /// The newest records, newest first.
    async fn list(&self, limit: i64) -> PortResult<Vec<AuditRecord>>;
}
