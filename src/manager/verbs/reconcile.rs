//! `reconcile`: looks at what the runner phase made, and makes anew what is gone.

use serde::Serialize;

use crate::domain::checkpoint::AuditAction;
use crate::domain::progress::StepStatus;
use crate::manager::context::Context;
use crate::manager::decide::{Go, Why};
use crate::manager::execute;
use crate::manager::plan;
use crate::manager::step::{Inputs, Step};
use crate::manager::steps;
use crate::manager::{Manager, ManagerError};

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "reason")]
pub enum Reconciled {
    /// It is not done, so there is nothing to look at.
    NotRun,
    /// It is a hook's, or nothing that can be looked at.
    Skipped,
    /// What it made is there.
    Ok,
    /// What it made was not there for this reason; it ran again.
    Healed(String),
    /// What it made is not there for this reason; a dry look changed nothing.
    Broken(String),
    /// It ran again and failed.
    Failed(String),
}

/// What became of every step, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReconcileReport {
    /// Step name and outcome.
    pub results: Vec<(String, Reconciled)>,
}

impl ReconcileReport {
    /// Whether everything that could be looked at is as it should be now.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !self.results.iter().any(|(_, outcome)| matches!(outcome, Reconciled::Broken(_) | Reconciled::Failed(_)))
    }
}

impl Manager {
    /// Looks at what each completed step of the runner phase made, and runs the step again where that is not there;
    /// `dry` only looks. A failure does not keep the others from being looked at.
    ///
    /// # Errors
    /// `UnknownEnvironment`; work that was cancelled or fenced.
    pub async fn reconcile(&self, environment: &str, dry: bool) -> Result<ReconcileReport, ManagerError> {
        let context = self.open_existing(environment).await?;
        let order = plan::runner_steps(&self.dependencies.config);
        self.dependencies.progress.on_plan(&plan::names(&order)).await;
        let done = context.entry().await.unwrap_or_default();
        let mut report = ReconcileReport::default();
        for id in order {
            let step = steps::step(&self.dependencies.config, &id);
            context.check_cancelled(step.name())?;
            let was_done = done.step_completed(step.name());
            let outcome = self.reconcile_step(&context, step.as_ref(), (was_done, dry)).await?;
            report.results.push((step.name().to_owned(), outcome));
        }
        Ok(report)
    }

    async fn reconcile_step(
        &self,
        context: &Context<'_>,
        step: &dyn Step,
        (was_done, dry): (bool, bool),
    ) -> Result<Reconciled, ManagerError> {
        let verified = if was_done { step.verify(context).await } else { None };
        let holds = context.record(step.name()).await.is_some_and(|record| record.is_completed());
        let (outcome, status) = match verified {
            _ if !was_done => (Reconciled::NotRun, StepStatus::Skipped),
            None => (Reconciled::Skipped, StepStatus::Skipped),
            Some(Ok(())) if holds => (Reconciled::Ok, StepStatus::Completed),
            failed => {
                let reason = match failed {
                    Some(Err(reason)) => self.dependencies.redactor.redact(&reason.to_string()),
                    // What was healed before this step was made anew.
                    _ => Why::Invalidated.to_string(),
                };
                if !dry {
                    return self.heal(context, step, reason).await;
                }
                (Reconciled::Broken(reason), StepStatus::Failed)
            }
        };
        let message = if let Reconciled::Broken(reason) = &outcome { reason.as_str() } else { "" };
        context.report(step.name(), status, message, None).await;
        Ok(outcome)
    }

    async fn heal(
        &self,
        context: &Context<'_>,
        step: &dyn Step,
        reason: String,
    ) -> Result<Reconciled, ManagerError> {
        let inputs = match step.inputs(context).await {
            Inputs::Hash(hashed) => Some(hashed),
            Inputs::None | Inputs::Unknown => None,
        };
        let prior = context.record(step.name()).await;
        let go = Go { prior, inputs, why: Why::VerificationFailed(reason.clone()) };
        match execute::run(context, step, go, AuditAction::Reconciled).await {
            Ok(_) => Ok(Reconciled::Healed(reason)),
            Err(error) if error.is_cancelled() || error.is_fenced() => Err(error.into()),
            Err(error) => Ok(Reconciled::Failed(self.dependencies.redactor.redact(&error.to_string()))),
        }
    }
}
