use async_trait::async_trait;

use crate::domain::disk::Remedy;
use crate::domain::environment::{EnvironmentId, LifeId};
use crate::domain::error::PortResult;

/// An environment makes way for the others of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeWay {
    /// Which.
    pub environment: EnvironmentId,
    /// The life that used too much.
    pub life: LifeId,
    /// The host that it was found on.
    pub host: String,
    /// How.
    pub remedy: Remedy,
    /// Why, for people.
    pub why: String,
}

/// Work on the store that time asks for, and what asks for it.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Makes every environment whose `expires_at` has passed desired absent (cause expired, not sticky) and
    /// queues its destroy, in one transaction each. Returns which.
    async fn expire(&self) -> PortResult<Vec<EnvironmentId>>;

    /// Makes an environment desired stopped or absent (cause disk, not sticky) and queues the work for that, in one
    /// transaction; a deploy that runs is asked to stop. False when that is so already, or its life or host is another
    /// by now.
    async fn make_way(&self, order: &MakeWay) -> PortResult<bool>;

    /// Queues a destroy again for every environment that should not exist but was left behind, when its last job
    /// ended more than a day ago. Returns which.
    async fn revive(&self) -> PortResult<Vec<EnvironmentId>>;

    /// Queues an assessment for every subject whose deliveries (comments apart: an old order is not obeyed unasked)
    /// have no outcome and wait for no job, when its last assessment ended more than ten minutes ago. Returns how
    /// many.
    async fn take_up_neglected(&self) -> PortResult<u64>;

    /// Whether `holder` does this duty for the next `for_ms`: nobody else has it, or had it and let it run out.
    async fn take_duty(&self, name: &str, holder: &str, for_ms: i64) -> PortResult<bool>;

    /// Removes ended jobs, deliveries with their bodies and decisions older than this (ms since the epoch), and what
    /// is in the audit log for more than 400 days.
    async fn prune(&self, before: i64) -> PortResult<()>;
}
