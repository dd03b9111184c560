//! `logs`: what an environment's containers print.

use crate::domain::ports::{LineSink, LogRequest};
use crate::domain::redact::Redactor;
use crate::manager::step::{StepError, StepFailure};
use crate::manager::{Manager, ManagerError};

/// Hides secrets before anybody sees a line.
struct Redacted<'a> {
    redactor: &'a Redactor,
    sink: &'a dyn LineSink,
}

impl LineSink for Redacted<'_> {
    fn line(&self, line: &str) -> bool {
        self.sink.line(&self.redactor.redact(line))
    }
}

impl Manager {
    /// Hands the lines that containers printed to `sink`, with secrets hidden, until there are no more, it has enough,
    /// or the work is cancelled. Following goes on as long as containers run.
    ///
    /// # Errors
    /// `UnknownEnvironment`; containers that were never started; a name that is no service.
    pub async fn logs(
        &self,
        environment: &str,
        request: &LogRequest,
        sink: &dyn LineSink,
    ) -> Result<(), ManagerError> {
        let entry = self.existing(environment).await?;
        let info = entry.compute.ok_or_else(|| StepError::new("logs", StepFailure::Missing("compute")))?;
        let sink = Redacted { redactor: &self.dependencies.redactor, sink };
        let cancel = &self.dependencies.cancel;
        Ok(self.dependencies.compute.logs(environment, &info, request, &sink, cancel).await?)
    }
}
