use crate::domain::change::{ChangeState, Sha};
use crate::domain::decision::{Decision, DesiredChange};
use crate::domain::environment::{Cause, Desired, Environment};
use crate::domain::event::EventKind;
use crate::domain::job::Work;
use crate::domain::trust::Trust;

use super::refusal::{self, Refusal, admit, asked_before};
use super::situation::{ProjectPolicy, Situation};

/// What an event that is no command leads to. `event` is only a hint: the change's present state decides.
#[must_use]
pub fn decide(event: &EventKind, situation: &Situation<'_>) -> Decision {
    if matches!(event, EventKind::Commented { .. }) {
        return Decision::nothing("the comment has no command");
    }
    match situation.change.state {
        ChangeState::Open => open(event, situation),
        ChangeState::Closed => close(situation, Cause::Closed, "closed"),
        ChangeState::Merged => close(situation, Cause::Merged, "merged"),
    }
}

/// Whether what this event leads to depends on the files of the change. It never does for a close.
#[must_use]
pub fn needs_files(event: &EventKind, situation: &Situation<'_>) -> bool {
    situation.change.state == ChangeState::Open
        && !matches!(event, EventKind::Commented { .. })
        && stays_down(event, situation).is_none()
        && refusal::needs_files(situation)
}

fn close(situation: &Situation<'_>, cause: Cause, ended: &str) -> Decision {
    let name = situation.name();
    let Some(environment) = situation.environment else {
        return Decision::nothing(format!("the change is {ended} and never had a preview"));
    };
    let told_before = matches!(environment.cause, Cause::Closed | Cause::Merged);
    if environment.desired == Desired::Absent && told_before && (situation.active || !situation.may_exist()) {
        let state = if situation.active { "is being torn down already" } else { "is gone already" };
        return Decision::nothing(format!("the change is {ended} and {name} {state}"));
    }
    let work = destroy_if_needed(situation);
    let what = if work.is_empty() { "gets no preview" } else { "is torn down" };
    Decision { work, ..changed(Desired::Absent, cause, format!("the change is {ended}: {name} {what}")) }
}

fn open(event: &EventKind, situation: &Situation<'_>) -> Decision {
    let head = &situation.change.head.sha;
    if let EventKind::CheckRerequested { sha } = event
        && sha != head
    {
        let short = sha.short();
        return Decision::nothing(format!("{short} is no longer the newest commit; {} is", head.short()));
    }
    if let Some(because) = stays_down(event, situation) {
        return Decision::nothing(because);
    }
    let trust = match admit(situation, false, situation.approval()) {
        Ok(trust) => trust,
        Err(refusal) => return refuse(situation, refusal),
    };
    let again = matches!(event, EventKind::CheckRerequested { .. });
    match already(situation, head, trust) {
        Some(because) if !again || situation.active => Decision::nothing(because),
        _ => run(event, situation, trust),
    }
}

/// Why an absent environment is not brought back by this event: a person took it down, its time was over, or it used
/// too much of its host's disk.
fn stays_down(event: &EventKind, situation: &Situation<'_>) -> Option<String> {
    let environment = situation.environment.filter(|e| !matches!(e.desired, Desired::Running { .. }))?;
    if matches!(event, EventKind::Reopened | EventKind::CheckRerequested { .. }) {
        return None;
    }
    let name = situation.name();
    if environment.sticky {
        let who = environment.actor.as_deref().unwrap_or("somebody");
        let what = if environment.desired == Desired::Stopped { "stopped" } else { "destroyed" };
        return Some(format!("{who} {what} {name}, and it stays so until somebody says /preview deploy"));
    }
    let unchanged = environment.change.as_ref().is_some_and(|known| known.head.sha == situation.change.head.sha);
    let what = match environment.cause {
        Cause::Expired => "expired",
        Cause::Disk => "used too much of its host's disk",
        _ => return None,
    };
    unchanged.then(|| format!("{name} {what}; a push or /preview deploy brings it back"))
}

/// Writes a refusal down, and tears down what may be there.
pub(super) fn refuse(situation: &Situation<'_>, refusal: Refusal) -> Decision {
    let unwanted = *situation.policy == ProjectPolicy::Missing && situation.is_absent();
    let known = situation
        .environment
        .is_some_and(|e| e.desired == Desired::Absent && e.cause == refusal.cause && e.reason == refusal.reason);
    let busy_going = situation.is_absent() && situation.active;
    if (unwanted || known) && (busy_going || !situation.may_exist()) {
        return Decision::nothing(refusal.reason);
    }
    let work = if busy_going { Vec::new() } else { destroy_if_needed(situation) };
    Decision { work, ..changed(Desired::Absent, refusal.cause, refusal.reason) }
}

/// Why there is nothing to deploy for this commit.
fn already(situation: &Situation<'_>, head: &Sha, trust: Trust) -> Option<String> {
    let same = |e: &&Environment| e.desired.commit() == Some(head) && e.trust == trust;
    let environment = situation.environment.filter(same)?;
    let (name, short) = (situation.name(), head.short());
    if situation.active {
        return Some(format!("{name} is already on its way to {short}"));
    }
    if environment.failure.is_some() {
        return Some(format!("{name} failed at {short}; a push or /preview deploy tries again"));
    }
    (environment.published.as_ref() == Some(head)).then(|| format!("{name} is already at {short}"))
}

fn run(event: &EventKind, situation: &Situation<'_>, trust: Trust) -> Decision {
    let head = &situation.change.head.sha;
    let cause = if asked_before(situation) { Cause::Command } else { Cause::Change };
    let reason = format!("{}: {} runs {}", told(event), situation.name(), head.short());
    Decision { work: vec![plain_deploy()], ..wanted(situation, trust, cause, reason) }
}

const fn told(event: &EventKind) -> &'static str {
    match event {
        EventKind::Opened => "opened",
        EventKind::Reopened => "reopened",
        EventKind::Pushed => "pushed",
        EventKind::ReadyForReview => "ready for review",
        EventKind::ConvertedToDraft => "made a draft",
        EventKind::CheckRerequested { .. } => "the check was asked for again",
        EventKind::Edited | EventKind::Closed | EventKind::Commented { .. } => "the change is open",
    }
}

/// The decision that the head is to run. The same commit once more, of the same trust, is the same wish: raising the
/// generation would only orphan what was posted for it, and what runs for it need not stop.
pub(super) fn wanted(situation: &Situation<'_>, trust: Trust, cause: Cause, reason: String) -> Decision {
    let desired = Desired::Running { commit: situation.change.head.sha.clone() };
    let same = situation.environment.is_some_and(|e| e.desired == desired && e.trust == trust);
    let change = DesiredChange { desired, cause, sticky: false, trust };
    Decision { desired: Some(change).filter(|_| !same), reason, ..Decision::nothing("") }
}

pub(super) const fn plain_deploy() -> Work {
    Work::Deploy { no_cache: false, from: None }
}

pub(super) fn destroy_if_needed(situation: &Situation<'_>) -> Vec<Work> {
    if situation.may_exist() { vec![Work::Destroy] } else { Vec::new() }
}

/// A decision that only changes what is desired, to something that runs nothing.
pub(super) fn changed(desired: Desired, cause: Cause, reason: String) -> Decision {
    let desired = Some(DesiredChange { desired, cause, sticky: false, trust: Trust::default() });
    Decision { desired, reason, ..Decision::nothing("") }
}

/// Whether something of this environment answers or is being worked on for a commit.
pub(super) fn is_deployed(environment: &Environment) -> bool {
    environment.entry.is_some() && matches!(environment.desired, Desired::Running { .. })
}
