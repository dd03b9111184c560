//! One event for several who want to know.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::ports::ProgressReporter;
use crate::domain::progress::StepEvent;

/// Tells each in turn.
pub struct Fanout(Vec<Arc<dyn ProgressReporter>>);

impl Fanout {
    /// For all of these.
    #[must_use]
    pub fn new(reporters: Vec<Arc<dyn ProgressReporter>>) -> Self {
        Self(reporters)
    }
}

#[async_trait]
impl ProgressReporter for Fanout {
    async fn on_step(&self, event: &StepEvent) {
        for reporter in &self.0 {
            reporter.on_step(event).await;
        }
    }

    async fn on_plan(&self, steps: &[String]) {
        for reporter in &self.0 {
            reporter.on_plan(steps).await;
        }
    }
}
