use async_trait::async_trait;

use crate::domain::progress::StepEvent;

/// Who is told of a Manager's steps.
#[async_trait]
pub trait ProgressReporter: Send + Sync {
    /// Something happened to a step. Must not fail the work: adapters log what they cannot pass on.
    async fn on_step(&self, event: &StepEvent);

    /// The steps that are going to be looked at, in order.
    async fn on_plan(&self, _steps: &[String]) {}
}

/// The reporter that says nothing to anybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

#[async_trait]
impl ProgressReporter for Silent {
    async fn on_step(&self, _event: &StepEvent) {}
}
