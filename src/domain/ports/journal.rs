use async_trait::async_trait;

use crate::domain::error::PortResult;
use crate::domain::job::JobId;
use crate::domain::progress::StepEvent;

/// Steps of jobs, kept for reports, pages and the command line.
#[async_trait]
pub trait Journal: Send + Sync {
    /// The steps that the job is going to look at, in order.
    async fn plan(&self, job: JobId, steps: &[String]) -> PortResult<()>;

    /// Something happened to one of them. Raises the report revision of the job's environment.
    async fn step(&self, job: JobId, event: &StepEvent) -> PortResult<()>;
}
