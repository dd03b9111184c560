use async_trait::async_trait;

use crate::domain::environment::EnvironmentId;
use crate::domain::error::PortResult;

/// Work on the store that time asks for.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Makes every environment whose `expires_at` has passed desired absent (cause expired, not sticky) and
    /// queues its destroy, in one transaction each. Returns which.
    async fn expire(&self) -> PortResult<Vec<EnvironmentId>>;

    /// Queues a destroy again for every environment that should not exist but was left behind, when its last job
    /// ended more than a day ago. Returns which.
    async fn revive(&self) -> PortResult<Vec<EnvironmentId>>;

    /// Queues an assessment for every subject whose deliveries (comments apart: an old order is not obeyed unasked)
    /// have no outcome and wait for no job, when its last assessment ended more than ten minutes ago. Returns how
    /// many.
    async fn take_up_neglected(&self) -> PortResult<u64>;

    /// Removes ended jobs, deliveries with their bodies and decisions older than this (ms since the epoch), and what
    /// is in the audit log for more than 400 days.
    async fn prune(&self, before: i64) -> PortResult<()>;
}
