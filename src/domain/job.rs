//! Jobs: one row of work each. What they are, how they are ordered, and when a failed one is tried again.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::ChangeRef;
use super::environment::{EnvironmentId, LifeId};
use super::event::Subject;

/// Row id of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reaction on a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Understood and queued.
    Eyes,
    /// Finished well.
    Rocket,
    /// Failed.
    Confused,
    /// Not allowed.
    ThumbsDown,
}

/// An answer on a change: a reaction on somebody's comment, a comment of our own, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The change.
    pub change: ChangeRef,
    /// The comment that is answered.
    pub comment: u64,
    /// A reaction to put on it.
    pub reaction: Option<Reaction>,
    /// Markdown text to post, with its marker (`marker` names it uniquely).
    pub body: Option<String>,
    /// Unique text inside `body` by which a reply of unknown outcome is found again.
    pub marker: String,
}

/// The work itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Read the subject from the forge and decide.
    Assess {
        /// What to look at.
        subject: Subject,
    },
    /// Make the environment what is desired: running.
    Deploy {
        /// Run every step, finished or not.
        #[serde(default)]
        no_cache: bool,
        /// Run again from this step on.
        #[serde(default)]
        from: Option<String>,
    },
    /// Make the environment what is desired: absent.
    Destroy,
    /// Make the environment what is desired: stopped.
    Stop,
    /// Make the environment what is desired: running again.
    Start,
    /// Put one service's data back to its seed, in this life only.
    Reset {
        /// The life that was meant; another life's reset is dropped.
        life: LifeId,
        /// The provisioner service.
        service: String,
    },
    /// Answer with the last lines that containers printed.
    Logs {
        /// The service; `None`: all of them.
        service: Option<String>,
        /// How many lines.
        lines: u32,
        /// The answer, which lacks its text.
        reply: Reply,
    },
    /// Post an answer.
    Reply(Reply),
    /// What a person's command does by itself while it holds the environment. Nobody takes it over: when the command
    /// is gone, it is over.
    Terminal {
        /// The command, in words.
        command: String,
    },
}

impl Work {
    /// The word in tables, metrics and on the command line.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Assess { .. } => "assess",
            Self::Deploy { .. } => "deploy",
            Self::Destroy => "destroy",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Reset { .. } => "reset",
            Self::Logs { .. } => "logs",
            Self::Reply(_) => "reply",
            Self::Terminal { .. } => "terminal",
        }
    }

    /// Whether it only says "make it what is desired": at most one of these waits per environment.
    #[must_use]
    pub const fn converges(&self) -> bool {
        matches!(self, Self::Deploy { .. } | Self::Destroy | Self::Stop | Self::Start)
    }

    /// Whether it takes one of the environment slots and the environment's lock.
    #[must_use]
    pub const fn touches_environment(&self) -> bool {
        self.converges() || matches!(self, Self::Reset { .. } | Self::Logs { .. } | Self::Terminal { .. })
    }

    /// Order between environments, larger first: destroy, command, deploy.
    /// Assessments and replies are quick and go before all.
    #[must_use]
    pub const fn priority(&self) -> i64 {
        match self {
            Self::Assess { .. } | Self::Reply(_) => 100,
            Self::Destroy => 40,
            Self::Reset { .. } | Self::Logs { .. } | Self::Stop | Self::Start | Self::Terminal { .. } => 30,
            Self::Deploy { .. } => 20,
        }
    }

    /// How often it may be tried before it is given up.
    #[must_use]
    pub const fn max_attempts(&self) -> i64 {
        match self {
            // Nobody gives a close up because the forge is away: the last backoff is ten minutes.
            Self::Assess { .. } => 1_000_000,
            Self::Reply(_) => 12,
            Self::Destroy => 8,
            Self::Terminal { .. } => 1,
            _ => 5,
        }
    }
}

/// How long to wait before attempt number `attempt` (the first retry is 1): 2 s doubling to 10 min.
/// Jitter is added by the queue, so that this stays a pure function.
#[must_use]
pub fn backoff(attempt: i64) -> Duration {
    let exponent = u32::try_from(attempt.clamp(1, 10)).unwrap_or(10);
    Duration::from_secs(2u64.saturating_pow(exponent).min(600))
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Ready, or ready at its `run_at`.
    Queued,
    /// Ready, but something it needs is not free; `reason` says what.
    Waiting,
    /// A worker has it.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly, not to be tried again.
    Failed,
    /// Asked to stop, and stopped.
    Cancelled,
    /// Replaced by a newer job before it began.
    Superseded,
    /// Its worker died over it too often.
    Dead,
}

impl JobState {
    /// The word in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Dead => "dead",
        }
    }

    /// Whether nothing more will happen to the job.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Waiting | Self::Running)
    }
}

impl std::str::FromStr for JobState {
    type Err = super::change::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(serde_json::Value::String(text.to_owned()))
            .map_err(|_| super::change::NameError::new("job state", text, "it is not a known job state"))
    }
}

/// A job on its way into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The work.
    pub work: Work,
    /// The environment that it is about, for work that touches one.
    pub environment: Option<EnvironmentId>,
    /// The environment's generation when the job was made; older ones may not publish.
    pub generation: Option<i64>,
    /// The comment that ordered it; it gets a reaction when the job ends.
    pub comment: Option<u64>,
    /// Why the job exists, in words.
    pub reason: String,
}

impl NewJob {
    /// Jobs with the same key never run at the same time. `None`: the job waits for nobody.
    #[must_use]
    pub fn serial_key(&self) -> Option<String> {
        match (&self.work, self.environment) {
            (Work::Assess { subject }, _) => Some(format!("assess:{}", subject.key())),
            (work, Some(EnvironmentId(id))) if work.touches_environment() => Some(format!("env:{id}")),
            _ => None,
        }
    }
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Row id.
    pub id: JobId,
    /// The work.
    pub work: Work,
    /// Project slug, where the job belongs to one.
    pub project: Option<String>,
    /// Environment row, for work about one.
    pub environment_id: Option<EnvironmentId>,
    /// Environment name, for people.
    pub environment: Option<String>,
    /// Where it is.
    pub state: JobState,
    /// Tries so far, the running one included.
    pub attempt: i64,
    /// Tries at most.
    pub max_attempts: i64,
    /// Deaths of workers that had it.
    pub crashes: i64,
    /// The environment's generation when it was made.
    pub generation: Option<i64>,
    /// The comment that ordered it.
    pub comment: Option<u64>,
    /// Why it exists, why it waits, or why it ended as it did.
    pub reason: String,
    /// Set when somebody asked the running job to stop: why.
    pub cancel_reason: Option<String>,
    /// When it was made, ms since the epoch.
    pub created_at: i64,
    /// When it may run, ms since the epoch.
    pub run_at: i64,
    /// When the present attempt began, ms since the epoch.
    pub started_at: Option<i64>,
    /// When it ended, ms since the epoch.
    pub finished_at: Option<i64>,
}

/// A claim on a job: the lease and the fence. Everything that a running job writes names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The environment that it locks, if any.
    pub environment: Option<EnvironmentId>,
    /// The environment's epoch since this claim; 0 for jobs without one.
    pub epoch: i64,
    /// Which worker holds it (unique per process start).
    pub owner: String,
    /// Which try this is; a later try's row is not ours to finish.
    pub attempt: i64,
    /// How often the job was claimed, this time included. Unlike tries, a claim that was given back or whose worker
    /// died counts too: from the second on, an earlier worker may have begun.
    pub claims: i64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// Well.
    Succeeded {
        /// What was done, in words.
        reason: String,
    },
    /// Badly, for good.
    Failed {
        /// Why.
        reason: String,
    },
    /// Badly, to be tried again after the queue's backoff or `after`, unless attempts are used up.
    Retry {
        /// Why.
        reason: String,
        /// Earliest next try from now; `None` = the queue's own backoff.
        after: Option<Duration>,
    },
    /// Not begun, for want of room: it waits, is tried again after `after`, and the attempt is not spent.
    Wait {
        /// What it waits for.
        reason: String,
        /// Next try from now.
        after: Duration,
    },
    /// It was asked to stop and did.
    Cancelled {
        /// Who asked, in words.
        reason: String,
    },
    /// The worker is going away; the job goes back to the queue without spending the attempt.
    GivenBack,
}
