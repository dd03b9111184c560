//! Checkpoints: the records that a step is done, and the audit entries beside them (spec §12, §14).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::EnvironmentEntry;
use super::moment::Moment;

/// What a step's record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordStatus {
    /// Intent: it was begun with an operation id and has not been seen to end (ours; the Go tool has none).
    Started,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// It must run again.
    Invalidated,
}

/// The checkpoint of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// Step name.
    pub name: String,
    /// What happened.
    pub status: RecordStatus,
    /// When it began.
    pub started_at: Moment,
    /// When it ended.
    pub finished_at: Moment,
    /// How long it took, in ms.
    #[serde(default)]
    pub duration_ms: i64,
    /// Host name of the machine that ran it, `unknown` where it has none.
    #[serde(default)]
    pub machine: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, serde_json::Value>,
    /// Hash of the step's inputs when it completed (ours; the Go tool ignores it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Short hash of each named input when it completed, to tell which one changed (ours).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The operation id that was handed to the step's hook, the same on every retry (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
}

impl StepRecord {
    /// A record of this moment, with nothing else to tell.
    #[must_use]
    pub fn of_now(name: &str, status: RecordStatus, now: jiff::Timestamp, machine: &str) -> Self {
        Self {
            name: name.to_owned(),
            status,
            started_at: now.into(),
            finished_at: now.into(),
            duration_ms: 0,
            machine: machine.to_owned(),
            error: None,
            outputs: BTreeMap::new(),
            fingerprint: None,
            inputs: BTreeMap::new(),
            operation_id: None,
        }
    }

    /// Whether the record says that the step is done.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.status == RecordStatus::Completed
    }
}

/// What an audit entry tells of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// It ran and ended well.
    Executed,
    /// It ran and failed.
    Failed,
    /// It was done already.
    Skipped,
    /// It was done already, and a look at reality agreed.
    Verified,
    /// It was done already, but reality disagreed.
    VerifyFailed,
    /// Its record was dropped so that it runs again.
    Invalidated,
    /// A reconcile re-ran it well.
    Reconciled,
    /// A reconcile re-ran it and it failed.
    ReconcileFailed,
}

/// One line of an environment's step history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When.
    pub timestamp: Moment,
    /// Which step.
    pub step: String,
    /// What happened to it.
    pub action: AuditAction,
    /// On which machine.
    pub machine: String,
    /// How long it took, in ms.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duration_ms: i64,
    /// Remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Error text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// Marks the completed record of one step so that it runs again, and returns the audit entry of that;
/// nothing happens to a step that is not completed.
pub fn invalidate_step(
    entry: &mut EnvironmentEntry,
    step: &str,
    now: jiff::Timestamp,
    machine: &str,
) -> Option<AuditEntry> {
    let record = entry.steps.get_mut(step).filter(|record| record.is_completed())?;
    record.status = RecordStatus::Invalidated;
    Some(AuditEntry {
        timestamp: now.into(),
        step: step.to_owned(),
        action: AuditAction::Invalidated,
        machine: machine.to_owned(),
        duration_ms: 0,
        message: None,
        error: None,
    })
}

/// A step name that no plan of this project contains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown step `{step}`; the steps are {}", known.join(", "))]
pub struct UnknownStep {
    /// The name that was asked for.
    pub step: String,
    /// The names that there are, in order.
    pub known: Vec<String>,
}

/// Drops the records of `from` and of every later step in `order`, and returns one `invalidated` audit
/// entry for each, also for steps that had no record (seed behaviour). An empty `from` or `order` does nothing.
///
/// # Errors
/// [`UnknownStep`] when `order` is not empty and does not contain `from` (mends W-10).
pub fn invalidate_steps_from(
    entry: &mut EnvironmentEntry,
    from: &str,
    order: &[String],
    now: jiff::Timestamp,
    machine: &str,
) -> Result<Vec<AuditEntry>, UnknownStep> {
    if from.is_empty() || order.is_empty() {
        return Ok(Vec::new());
    }
    let Some(first) = order.iter().position(|step| step == from) else {
        return Err(UnknownStep { step: from.to_owned(), known: order.to_vec() });
    };
    let invalidate = |step: &String| {
        entry.steps.remove(step);
        AuditEntry {
            timestamp: now.into(),
            step: step.clone(),
            action: AuditAction::Invalidated,
            machine: machine.to_owned(),
            duration_ms: 0,
            message: Some(format!("invalidated from {from}")),
            error: None,
        }
    };
    Ok(order[first..].iter().map(invalidate).collect())
}
