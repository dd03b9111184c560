//! Whether a step runs or is skipped, and why: a look at its record, its inputs and reality that changes nothing.

use std::collections::BTreeSet;

use super::context::Context;
use super::step::{Checkpoint, Freshness, Hashed, Inputs, Step};
use crate::domain::checkpoint::{RecordStatus, StepRecord};

/// Why a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It keeps no record: it runs every time.
    EveryTime,
    /// There is no record of it.
    NeverRan,
    /// It was begun and not seen to end.
    Interrupted,
    /// It failed the last time.
    Failed,
    /// What it was built on was made anew.
    Invalidated,
    /// These of its inputs differ from those of the last time; none are named where the record does not tell.
    InputsChanged(Vec<String>),
    /// Its inputs cannot be read.
    InputsUnknown,
    /// What it made is not known any more.
    ResultUnknown,
    /// What it made is gone or was changed.
    VerificationFailed(String),
    /// Everything was to run (`--no-cache`).
    NoCache,
    /// The step itself asks for it (`allow_cache: false`).
    NotCached,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EveryTime => f.write_str("runs every time"),
            Self::NeverRan => f.write_str("never ran"),
            Self::Interrupted => f.write_str("was interrupted"),
            Self::Failed => f.write_str("failed the last time"),
            Self::Invalidated => f.write_str("what it was built on changed"),
            Self::InputsChanged(names) if names.is_empty() => f.write_str("its inputs changed"),
            Self::InputsChanged(names) => write!(f, "changed: {}", names.join(", ")),
            Self::InputsUnknown => f.write_str("its inputs cannot be read"),
            Self::ResultUnknown => f.write_str("what it made is not known any more"),
            Self::VerificationFailed(reason) => write!(f, "verification failed: {reason}"),
            Self::NoCache => f.write_str("everything is to run (no cache)"),
            Self::NotCached => f.write_str("may not be skipped (allow_cache: false)"),
        }
    }
}

/// What is to be done about a step.
pub(super) enum Verdict {
    Run(Box<Go>),
    Skip { verified: bool, stale: bool },
}

/// What a run begins with.
pub(super) struct Go {
    pub(super) prior: Option<StepRecord>,
    pub(super) inputs: Option<Hashed>,
    pub(super) why: Why,
}

impl Go {
    /// The inputs that differ from those of the run before that ended well; `None` where that is not known.
    pub(super) fn changed(&self) -> Option<BTreeSet<String>> {
        // Whoever invalidated the record has invalidated what was built on it too.
        let ended_well =
            |record: &&StepRecord| matches!(record.status, RecordStatus::Completed | RecordStatus::Invalidated);
        let prior = self.prior.as_ref().filter(ended_well)?;
        changed_parts(prior, self.inputs.as_ref()?)
    }
}

fn changed_parts(prior: &StepRecord, now: &Hashed) -> Option<BTreeSet<String>> {
    if prior.inputs.is_empty() {
        return None;
    }
    let names = prior.inputs.keys().chain(now.parts.keys());
    Some(names.filter(|name| prior.inputs.get(*name) != now.parts.get(*name)).cloned().collect())
}

/// Looks at a step. Skipping it needs what it made earlier, which is brought into the context.
pub(super) async fn decide(context: &Context<'_>, step: &dyn Step) -> Verdict {
    let rules = step.rules();
    let run = |prior, inputs, why| Verdict::Run(Box::new(Go { prior, inputs, why }));
    if rules.checkpoint == Checkpoint::None || context.facts().await.entry.is_none() {
        return run(None, None, Why::EveryTime);
    }
    let inputs = step.inputs(context).await;
    let hashed = match &inputs {
        Inputs::Hash(hashed) => Some(hashed.clone()),
        Inputs::None | Inputs::Unknown => None,
    };
    let prior = context.record(step.name()).await;
    let Some(record) = prior.clone().filter(StepRecord::is_completed) else {
        let why = prior.as_ref().map_or(Why::NeverRan, |record| unfinished(record.status));
        return run(prior, hashed, why);
    };
    if context.no_cache || !rules.allow_cache {
        return run(prior, hashed, if context.no_cache { Why::NoCache } else { Why::NotCached });
    }
    // Records without a fingerprint, such as the Go tool's, count as matching.
    let changed = match (&hashed, &record.fingerprint) {
        (Some(now), Some(before)) if now.hash != *before => {
            Some(changed_parts(&record, now).unwrap_or_default().into_iter().collect::<Vec<String>>())
        }
        _ => None,
    };
    if rules.freshness == Freshness::Rerun {
        match (&changed, inputs) {
            (Some(names), _) => return run(prior, hashed, Why::InputsChanged(names.clone())),
            (None, Inputs::Unknown) => return run(prior, hashed, Why::InputsUnknown),
            _ => {}
        }
    }
    if !step.restore(context, &record).await {
        return run(prior, hashed, Why::ResultUnknown);
    }
    match step.verify(context).await {
        Some(Err(reason)) => {
            let reason = context.dependencies.redactor.redact(&reason.to_string());
            run(prior, hashed, Why::VerificationFailed(reason))
        }
        verified => Verdict::Skip { verified: verified.is_some(), stale: changed.is_some() },
    }
}

const fn unfinished(status: RecordStatus) -> Why {
    match status {
        RecordStatus::Started => Why::Interrupted,
        RecordStatus::Failed => Why::Failed,
        RecordStatus::Invalidated | RecordStatus::Completed => Why::Invalidated,
    }
}
