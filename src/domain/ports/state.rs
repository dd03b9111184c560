use async_trait::async_trait;

use crate::domain::checkpoint::AuditEntry;
use crate::domain::entry::{EnvironmentEntry, State};
use crate::domain::error::PortResult;

/// The core's entries of one project. The bot's adapter is fenced by the job's epoch: a worker that lost its
/// claim gets `Fenced` from every write.
#[async_trait]
pub trait StatePort: Send + Sync {
    /// All entries.
    async fn load(&self) -> PortResult<State>;

    /// One entry; `None` when there is none.
    async fn get_environment(&self, name: &str) -> PortResult<Option<EnvironmentEntry>>;

    /// Stores an entry (without its audit log, which is kept by [`StatePort::append_audit`]).
    async fn set_environment(&self, entry: &EnvironmentEntry) -> PortResult<()>;

    /// Removes an entry; a missing one is fine.
    async fn remove_environment(&self, name: &str) -> PortResult<()>;

    /// Keeps one line of step history, whatever else is saved.
    async fn append_audit(&self, name: &str, entry: &AuditEntry) -> PortResult<()>;

    /// The step history of an environment, oldest first.
    async fn audit(&self, name: &str) -> PortResult<Vec<AuditEntry>>;
}
