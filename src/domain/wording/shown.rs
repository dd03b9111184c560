use crate::domain::environment::{Cause, Desired};
use crate::domain::job::{Job, JobState, Work};
use crate::domain::progress::StepStatus;
use crate::domain::project::policy::CommentMode;
use crate::domain::report::{Shown, Snapshot};

/// The word that people see for an environment, from desired, jobs and entry.
#[must_use]
pub fn shown(snapshot: &Snapshot) -> Shown {
    let environment = &snapshot.environment;
    match (&environment.desired, snapshot.active_job()) {
        (Desired::Absent, active) => absent(snapshot, active.is_some()),
        (Desired::Stopped, _) if environment.cause == Cause::Disk => Shown::Failed,
        (_, Some(job)) => busy(snapshot, job),
        (Desired::Stopped, None) => Shown::Stopped,
        (Desired::Running { commit }, None) => {
            if environment.failure.is_some() || given_up(snapshot) {
                Shown::Failed
            } else if environment.published.as_ref() == Some(commit) {
                Shown::Ready
            } else {
                queued(snapshot)
            }
        }
    }
}

/// Something waits or runs for an environment that is to exist.
fn busy(snapshot: &Snapshot, job: &Job) -> Shown {
    match (&job.work, job.state) {
        (Work::Destroy, _) => Shown::Destroying,
        (Work::Stop, JobState::Running) => Shown::Stopped,
        (_, JobState::Running) => deploying(snapshot),
        _ => queued(snapshot),
    }
}

fn absent(snapshot: &Snapshot, active: bool) -> Shown {
    let environment = &snapshot.environment;
    let remains = environment.entry.is_some() || environment.published.is_some();
    if active {
        return Shown::Destroying;
    }
    if remains {
        return if environment.failure.is_some() { Shown::Failed } else { Shown::Destroying };
    }
    match environment.cause {
        Cause::Untrusted => Shown::WaitingForApproval,
        Cause::Policy if environment.destroyed_at.is_none() => Shown::Skipped,
        Cause::Expired => Shown::Expired,
        Cause::Disk => Shown::Failed,
        _ => Shown::Destroyed,
    }
}

/// Whether a change without a comment of ours gets one now. One that is there is kept true in any case.
#[must_use]
pub fn begins_comment(snapshot: &Snapshot) -> bool {
    let was_deployed = snapshot.environment.published.is_some();
    match (snapshot.environment.terms.comment, shown(snapshot)) {
        // Nothing was ever shown.
        (_, Shown::Skipped | Shown::Destroying | Shown::Destroyed | Shown::Expired) | (CommentMode::Off, _) => {
            false
        }
        (CommentMode::Always, _) | (CommentMode::OnChange, Shown::Failed) => true,
        (CommentMode::OnChange, _) => was_deployed,
    }
}

/// The newest job ended badly without a failure of its own: its worker died over it.
fn given_up(snapshot: &Snapshot) -> bool {
    snapshot.job.as_ref().is_some_and(|job| matches!(job.state, JobState::Failed | JobState::Dead))
}

fn queued(snapshot: &Snapshot) -> Shown {
    let (position, length) = snapshot.queue.unwrap_or((1, 1));
    Shown::Queued(position, length)
}

fn deploying(snapshot: &Snapshot) -> Shown {
    let ended = snapshot.steps.iter().filter(|line| is_ended(line.status)).count();
    let current = snapshot.steps.iter().find(|line| !is_ended(line.status));
    let seen = i64::try_from(snapshot.steps.len()).unwrap_or(i64::MAX);
    let planned = snapshot.planned_steps.unwrap_or(seen).max(seen);
    let position = i64::try_from(ended).unwrap_or(i64::MAX).saturating_add(1).min(planned);
    let step = current.or(snapshot.steps.last()).map(|line| line.step.clone()).unwrap_or_default();
    Shown::Deploying(position, planned, step)
}

pub(super) const fn is_ended(status: StepStatus) -> bool {
    matches!(status, StepStatus::Completed | StepStatus::Failed | StepStatus::Skipped)
}
