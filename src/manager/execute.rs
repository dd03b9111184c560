//! The engine: checkpoint → verify → run → record → report, for one step.

use super::context::{AuditLine, Context};
use super::fingerprint::Fingerprint;
use super::step::{Attempt, Checkpoint, Freshness, Inputs, Outputs, Step, StepError, StepFailure};
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

/// What is to be done about a step.
enum Verdict {
    Run(Box<Go>),
    Skip { verified: bool, stale: bool },
}

impl Verdict {
    fn run(prior: Option<StepRecord>, fingerprint: Option<String>) -> Self {
        Self::Run(Box::new(Go { prior, fingerprint }))
    }
}

/// What a run is recorded with.
struct Go {
    prior: Option<StepRecord>,
    fingerprint: Option<String>,
}

/// Brings one step to its end: skips what is recorded and real, runs everything else.
///
/// # Errors
/// What the step, or the saving of its record, failed with; cancelled when the work was asked to stop before it.
pub async fn execute(context: &Context<'_>, step: &dyn Step) -> Result<Done, StepError> {
    context.check_cancelled(step.name())?;
    match decide(context, step).await.map_err(|failure| at(step, failure))? {
        Verdict::Skip { verified, stale } => skip(context, step, verified, stale).await,
        Verdict::Run(go) => run(context, step, *go).await,
    }
}

fn at(step: &dyn Step, failure: StepFailure) -> StepError {
    StepError::new(step.name(), failure)
}

async fn decide(context: &Context<'_>, step: &dyn Step) -> Result<Verdict, StepFailure> {
    let rules = step.rules();
    if rules.checkpoint == Checkpoint::None || context.facts().await.entry.is_none() {
        return Ok(Verdict::run(None, None));
    }
    let inputs = step.inputs(context).await;
    let fingerprint = match &inputs {
        Inputs::Hash(hash) => Some(hash.clone()),
        Inputs::None | Inputs::Unknown => None,
    };
    let prior = context.record(step.name()).await;
    let completed =
        prior.as_ref().filter(|record| record.is_completed() && rules.allow_cache && !context.no_cache);
    let Some(record) = completed else {
        return Ok(Verdict::run(prior, fingerprint));
    };
    // Records without a fingerprint, such as the Go tool's, count as matching.
    let changed = fingerprint.is_some() && record.fingerprint.is_some() && fingerprint != record.fingerprint;
    let rerun = rules.freshness == Freshness::Rerun && (changed || inputs == Inputs::Unknown);
    if rerun || !step.restore(context, record).await {
        return Ok(Verdict::run(prior, fingerprint));
    }
    let verified = match step.verify(context).await {
        None => false,
        Some(Ok(())) => true,
        Some(Err(reason)) => {
            let message = Some(context.dependencies.redactor.redact(&reason.to_string()));
            let line = AuditLine { message, ..AuditLine::of(step.name(), AuditAction::VerifyFailed) };
            context.audit(line).await?;
            return Ok(Verdict::run(prior, fingerprint));
        }
    };
    Ok(Verdict::Skip { verified, stale: changed })
}

async fn skip(context: &Context<'_>, step: &dyn Step, verified: bool, stale: bool) -> Result<Done, StepError> {
    let action = if verified { AuditAction::Verified } else { AuditAction::Skipped };
    let message = if stale { "changed since the data was made: reset it to have the new one" } else { "" };
    if stale {
        context.facts().await.stale_seeds.push(step.name().to_owned());
    }
    let line = AuditLine { message: stale.then(|| message.to_owned()), ..AuditLine::of(step.name(), action) };
    context.audit(line).await.map_err(|error| at(step, error.into()))?;
    context.report(step.name(), StepStatus::Skipped, message, None).await;
    Ok(Done::Skipped)
}

async fn run(context: &Context<'_>, step: &dyn Step, go: Go) -> Result<Done, StepError> {
    context.report(step.name(), StepStatus::Started, "", None).await;
    let mut record = new_record(context, step, go);
    let result = act(context, step, &mut record).await;
    let result = conclude(context, step, record, result).await;
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

/// The record of a step that runs, and what the prior one said.
struct Running {
    record: StepRecord,
    prior: Option<RecordStatus>,
}

fn new_record(context: &Context<'_>, step: &dyn Step, go: Go) -> Running {
    let now = context.dependencies.clock.now();
    let prior = go.prior.as_ref().map(|record| record.status);
    let operation_id =
        (step.rules().checkpoint == Checkpoint::Intent).then(|| operation_id(context, step.name(), go.prior));
    let machine = &context.dependencies.machine;
    let record = StepRecord {
        fingerprint: go.fingerprint,
        operation_id,
        ..StepRecord::of_now(step.name(), RecordStatus::Started, now, machine)
    };
    Running { record, prior }
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
    let mut record = running.record;
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
            completed(context, record).await.map_err(|failure| (duration, failure))?;
            Ok(duration)
        }
        Err(failure) => {
            record.status = RecordStatus::Failed;
            record.error = Some(context.dependencies.redactor.redact(&failure.to_string()));
            failed(context, record).await;
            Err((duration, failure))
        }
    }
}

async fn completed(context: &Context<'_>, record: StepRecord) -> Result<(), StepFailure> {
    let line = AuditLine { duration_ms: record.duration_ms, ..AuditLine::of(&record.name, AuditAction::Executed) };
    context.audit(line).await?;
    let step = record.name.clone();
    context.set_record(record).await;
    context.invalidate_dependants(&step).await?;
    context.save().await?;
    Ok(())
}

/// Keeps what can be kept: the step's own failure is the one that people need to hear of.
async fn failed(context: &Context<'_>, record: StepRecord) {
    let line = AuditLine {
        duration_ms: record.duration_ms,
        error: record.error.clone(),
        ..AuditLine::of(&record.name, AuditAction::Failed)
    };
    let step = record.name.clone();
    let audited = context.audit(line).await;
    context.set_record(record).await;
    for error in [audited, context.save().await].into_iter().filter_map(Result::err) {
        tracing::warn!(step, error = %error.chain(), "the failure of a step could not be recorded");
    }
}
