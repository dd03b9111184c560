//! What the forge should show for an environment now, as data. Sentences live in [`super::wording`].

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::job::{Job, JobState};

/// One step of the newest job of an environment, for the report's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLine {
    /// Step name.
    pub step: String,
    /// `started`, `completed`, `failed` or `skipped`.
    pub status: super::progress::StepStatus,
    /// How long it took, in ms.
    pub duration_ms: Option<i64>,
}

/// Everything that a report is made from: a snapshot of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The environment.
    pub environment: Environment,
    /// Its newest converging or reset job that has not ended, else the newest that has.
    pub job: Option<Job>,
    /// Position in the queue, counted from 1, and the queue's length, while the job waits.
    pub queue: Option<(i64, i64)>,
    /// Steps of that job, in order.
    pub steps: Vec<StepLine>,
    /// How many steps the plan has, where known.
    pub planned_steps: Option<i64>,
    /// Now, ms since the epoch.
    pub now: i64,
}

/// The word that people see for an environment (`ux.md` §2). A pure function of desired, jobs and entry; never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A job waits: position and length of the queue.
    Queued(i64, i64),
    /// A job runs: step number and steps planned, and the step's name.
    Deploying(i64, i64, String),
    /// It answers.
    Ready,
    /// The newest job failed.
    Failed,
    /// It is stopped.
    Stopped,
    /// It is being torn down.
    Destroying,
    /// It is gone.
    Destroyed,
    /// Somebody with write must approve first.
    WaitingForApproval,
    /// It lived its time and is gone.
    Expired,
    /// There never was one, by policy.
    Skipped,
}

impl Shown {
    /// The bare word, for tables and filters: `queued`, `deploying`, …
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Queued(..) => "queued",
            Self::Deploying(..) => "deploying",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
            Self::WaitingForApproval => "waiting for approval",
            Self::Expired => "expired",
            Self::Skipped => "skipped",
        }
    }
}

impl Snapshot {
    /// Whether a job of the environment is waiting or running.
    #[must_use]
    pub fn active_job(&self) -> Option<&Job> {
        self.job.as_ref().filter(|job| !job.state.is_terminal())
    }

    /// Whether a worker has the newest job now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.state == JobState::Running)
    }
}
