//! Steps on their way into the journal and the log.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::job::JobId;
use crate::domain::ports::{Journal, ProgressReporter};
use crate::domain::progress::{StepEvent, StepStatus};

/// Reports the steps of one job. What the journal cannot take is logged; the work goes on.
pub struct JournalReporter {
    journal: Arc<dyn Journal>,
    job: JobId,
    logs: bool,
}

impl JournalReporter {
    /// A reporter for this job.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, job: JobId) -> Self {
        Self { journal, job, logs: true }
    }

    /// The same without a line in the log for each step: for a person who is shown them anyway.
    #[must_use]
    pub fn quiet(journal: Arc<dyn Journal>, job: JobId) -> Self {
        Self { journal, job, logs: false }
    }

    fn log(&self, event: &StepEvent) {
        let StepEvent { step, message, duration_ms, .. } = event;
        let status = event.status.as_str();
        match event.status {
            StepStatus::Failed => tracing::warn!(job.id = self.job.0, step, status, duration_ms, message),
            StepStatus::Streaming => tracing::debug!(job.id = self.job.0, step, status, message),
            _ => tracing::info!(job.id = self.job.0, step, status, duration_ms, message),
        }
    }
}

#[async_trait]
impl ProgressReporter for JournalReporter {
    async fn on_step(&self, event: &StepEvent) {
        if self.logs {
            self.log(event);
        }
        // Output has its own home; the journal keeps what happened to steps.
        if event.status == StepStatus::Streaming {
            return;
        }
        if let Err(error) = self.journal.step(self.job, event).await {
            tracing::warn!(job.id = self.job.0, step = event.step, error = error.chain(), "step not journalled");
        }
    }

    async fn on_plan(&self, steps: &[String]) {
        if let Err(error) = self.journal.plan(self.job, steps).await {
            tracing::warn!(job.id = self.job.0, error = error.chain(), "plan not journalled");
        }
    }
}
