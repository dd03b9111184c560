//! The engine: checkpoint → verify → run → record → report, for one step.

use std::collections::BTreeSet;

use super::context::{AuditLine, Context};
use super::decide::{Go, Verdict, Why, decide};
use super::fingerprint::Fingerprint;
use super::step::{Attempt, Checkpoint, Outputs, Step, StepError, StepFailure};
use crate::domain::checkpoint::{AuditAction, RecordStatus, StepRecord};
use crate::domain::progress::StepStatus;

/// What became of a step that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It ran.
    Ran,
    /// It was done already.
    Skipped,
}

/// Brings one step to its end: skips what is recorded and real, runs everything else.
///
/// # Errors
/// What the step, or the saving of its record, failed with; cancelled when the work was asked to stop before it.
pub async fn execute(context: &Context<'_>, step: &dyn Step) -> Result<Done, StepError> {
    context.check_cancelled(step.name())?;
    match decide(context, step).await {
        Verdict::Skip { verified, stale } => skip(context, step, verified, stale).await,
        Verdict::Run(go) => {
            if let Why::VerificationFailed(reason) = &go.why {
                let message = Some(reason.clone());
                let line = AuditLine { message, ..AuditLine::of(step.name(), AuditAction::VerifyFailed) };
                context.audit(line).await.map_err(|error| at(step, error.into()))?;
            }
            run(context, step, *go, AuditAction::Executed).await
        }
    }
}

fn at(step: &dyn Step, failure: StepFailure) -> StepError {
    StepError::new(step.name(), failure)
}

async fn skip(context: &Context<'_>, step: &dyn Step, verified: bool, stale: bool) -> Result<Done, StepError> {
    let action = if verified { AuditAction::Verified } else { AuditAction::Skipped };
    let message = match step.name() {
        _ if !stale => "",
        "create_compute" => "changed since the machine was made: delete the environment to have a new one",
        _ => "changed since the data was made: reset it to have the new one",
    };
    if stale {
        context.facts().await.stale.push(step.name().to_owned());
    }
    let line = AuditLine { message: stale.then(|| message.to_owned()), ..AuditLine::of(step.name(), action) };
    context.audit(line).await.map_err(|error| at(step, error.into()))?;
    context.report(step.name(), StepStatus::Skipped, message, None).await;
    Ok(Done::Skipped)
}

/// Runs a step whatever its record says, and records it as `action`, or as the failure of that.
pub(super) async fn run(
    context: &Context<'_>,
    step: &dyn Step,
    go: Go,
    action: AuditAction,
) -> Result<Done, StepError> {
    context.report(step.name(), StepStatus::Started, "", None).await;
    let mut running = new_record(context, step, go, action);
    let result = act(context, step, &mut running).await;
    let result = conclude(context, step, running, result).await;
    match result {
        Ok(duration) => {
            context.report(step.name(), StepStatus::Completed, "", Some(duration)).await;
            context.facts().await.ran.push(step.name().to_owned());
            Ok(Done::Ran)
        }
        Err((duration, failure)) => {
            context.report(step.name(), StepStatus::Failed, &failure.to_string(), Some(duration)).await;
            Err(at(step, failure))
        }
    }
}

/// The record of a step that runs, and what is known of its last run.
struct Running {
    record: StepRecord,
    prior: Option<RecordStatus>,
    changed: Option<BTreeSet<String>>,
    action: AuditAction,
}

fn new_record(context: &Context<'_>, step: &dyn Step, go: Go, action: AuditAction) -> Running {
    let now = context.dependencies.clock.now();
    let prior = go.prior.as_ref().map(|record| record.status);
    let changed = go.changed();
    let operation_id =
        (step.rules().checkpoint == Checkpoint::Intent).then(|| operation_id(context, step.name(), go.prior));
    let machine = &context.dependencies.machine;
    let inputs = go.inputs.unwrap_or_default();
    let record = StepRecord {
        fingerprint: Some(inputs.hash).filter(|hash| !hash.is_empty()),
        inputs: inputs.parts,
        operation_id,
        ..StepRecord::of_now(step.name(), RecordStatus::Started, now, machine)
    };
    Running { record, prior, changed, action }
}

/// The id of an unfinished operation, or a new one.
pub(super) fn operation_id(context: &Context<'_>, step: &str, prior: Option<StepRecord>) -> String {
    let unfinished = |record: &StepRecord| matches!(record.status, RecordStatus::Started | RecordStatus::Failed);
    let kept = prior.filter(unfinished).and_then(|record| record.operation_id);
    kept.unwrap_or_else(|| {
        let now = context.dependencies.clock.now().as_nanosecond();
        let life = context.dependencies.life.to_string();
        let hash = Fingerprint::of(step).with("life", life).with("now", now.to_le_bytes()).finish();
        hash[..32].to_owned()
    })
}

async fn act(context: &Context<'_>, step: &dyn Step, running: &mut Running) -> Result<Outputs, StepFailure> {
    if step.rules().checkpoint == Checkpoint::Intent {
        context.set_record(running.record.clone()).await;
        context.save().await?;
    }
    if step.rules().streams {
        context.report(step.name(), StepStatus::Streaming, "", None).await;
    }
    let attempt = Attempt { operation_id: running.record.operation_id.clone(), prior: running.prior };
    step.run(context, &attempt).await
}

/// Records the end of a run; its duration in ms goes with both outcomes.
async fn conclude(
    context: &Context<'_>,
    step: &dyn Step,
    running: Running,
    result: Result<Outputs, StepFailure>,
) -> Result<i64, (i64, StepFailure)> {
    let mut record = running.record.clone();
    record.finished_at = context.dependencies.clock.now().into();
    record.duration_ms = record.finished_at.as_millisecond() - record.started_at.as_millisecond();
    let duration = record.duration_ms;
    if step.rules().checkpoint == Checkpoint::None {
        return result.map(|_| duration).map_err(|failure| (duration, failure));
    }
    match result {
        Ok(outputs) => {
            record.status = RecordStatus::Completed;
            record.outputs = outputs;
            let done = Running { record, ..running };
            completed(context, step, done).await.map_err(|failure| (duration, failure))?;
            Ok(duration)
        }
        Err(failure) => {
            record.status = RecordStatus::Failed;
            record.error = Some(context.dependencies.redactor.redact(&failure.to_string()));
            failed(context, Running { record, ..running }).await;
            Err((duration, failure))
        }
    }
}

async fn completed(context: &Context<'_>, step: &dyn Step, done: Running) -> Result<(), StepFailure> {
    let Running { record, changed, action, .. } = done;
    context.audit(AuditLine { duration_ms: record.duration_ms, ..AuditLine::of(&record.name, action) }).await?;
    context.set_record(record).await;
    context.invalidate_dependants(step.name(), changed.as_ref()).await?;
    if step.rules().streams {
        context.adopt_store().await?;
    }
    context.save().await?;
    Ok(())
}

/// Keeps what can be kept: the step's own failure is the one that people need to hear of.
async fn failed(context: &Context<'_>, failed: Running) {
    let Running { record, action, .. } = failed;
    let action =
        if action == AuditAction::Reconciled { AuditAction::ReconcileFailed } else { AuditAction::Failed };
    let line = AuditLine {
        duration_ms: record.duration_ms,
        error: record.error.clone(),
        ..AuditLine::of(&record.name, action)
    };
    let step = record.name.clone();
    let audited = context.audit(line).await;
    context.set_record(record).await;
    for error in [audited, context.save().await].into_iter().filter_map(Result::err) {
        tracing::warn!(step, error = %error.chain(), "the failure of a step could not be recorded");
    }
}
