//! What a step is, and how it fails.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::context::Context;
use crate::domain::checkpoint::{RecordStatus, StepRecord};
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::hook::MissingOutputs;
use crate::domain::manifest::ManifestError;
use crate::domain::ports::{FileToWrite, HookExit};
use crate::domain::project::graph::CycleError;
use crate::domain::project::template::TemplateError;
use crate::domain::render::RenderError;

/// What a step made, as its record keeps it.
pub type Outputs = BTreeMap<String, serde_json::Value>;

/// What is kept of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// Nothing: it runs every time.
    None,
    /// A record once it ended.
    Result,
    /// Also a record with an operation id before it acts, because it makes something outside.
    Intent,
}

/// What a changed fingerprint means for a completed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It runs again.
    Rerun,
    /// It stays done, because running it again would wipe data; people are told.
    Tell,
}

/// How the engine treats a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What is kept of it.
    pub checkpoint: Checkpoint,
    /// What a changed fingerprint means.
    pub freshness: Freshness,
    /// Whether its record may serve for running it (`allow_cache`).
    pub allow_cache: bool,
    /// Whether it runs a user's command, whose output streams.
    pub streams: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { checkpoint: Checkpoint::Result, freshness: Freshness::Rerun, allow_cache: true, streams: false }
    }
}

/// Hashes of a step's inputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashed {
    /// Of all of them together.
    pub hash: String,
    /// Of each one by its name, short.
    pub parts: BTreeMap<String, String>,
}

/// A step's inputs, hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// The step has none that matter.
    None,
    /// Their hashes.
    Hash(Hashed),
    /// They could not be read: run the step, it will say what is wrong.
    Unknown,
}

/// One go at a step.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    /// `PREVIEWCTL_OPERATION_ID` of its hooks, the same on every retry.
    pub operation_id: Option<String>,
    /// What the record said before.
    pub prior: Option<RecordStatus>,
}

/// One checkpointed action of a phase.
#[async_trait]
pub trait Step: Send + Sync {
    /// Its name in records, events and plans.
    fn name(&self) -> &str;

    /// How the engine treats it.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// The hash of its inputs.
    async fn inputs(&self, _context: &Context<'_>) -> Inputs {
        Inputs::None
    }

    /// A look at reality when the record says that it is done; `None` = the record alone decides.
    async fn verify(&self, _context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        None
    }

    /// Brings what the step made earlier into the context when it is skipped; `false` = it has to run after all.
    async fn restore(&self, _context: &Context<'_>, _record: &StepRecord) -> bool {
        true
    }

    /// The files that it would write now, with their content; `None` for a step that writes none.
    async fn files(&self, _context: &Context<'_>) -> Result<Option<Vec<FileToWrite>>, StepFailure> {
        Ok(None)
    }

    /// Does it. Doing it again after an interruption must be fine.
    async fn run(&self, context: &Context<'_>, attempt: &Attempt) -> Result<Outputs, StepFailure>;
}

/// A hook's process ended badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookFailure {
    /// Where the hook stands in the configuration, `runner.deploy`.
    pub hook: String,
    /// How it ended.
    pub exit: HookExit,
    /// Its last lines, redacted.
    pub log_tail: Vec<String>,
}

impl std::fmt::Display for HookFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exit {
            HookExit::Code(code) => write!(f, "hook {} exited with code {code}", self.hook),
            HookExit::Signal(signal) => write!(f, "hook {} was ended by signal {signal}", self.hook),
        }
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepFailure {
    /// A port said no; its kind decides whether to try again.
    #[error("{}", .0.chain())]
    Port(#[from] PortError),
    /// A hook ended badly.
    #[error("{0}")]
    Hook(HookFailure),
    /// A hook took too long and was killed.
    #[error("hook {hook} did not end within {} s", limit.as_secs())]
    HookTimedOut {
        /// Where the hook stands in the configuration.
        hook: String,
        /// The limit.
        limit: Duration,
    },
    /// A hook ended well without printing what it declared.
    #[error("hook {hook}: {source}")]
    MissingOutputs {
        /// Where the hook stands in the configuration.
        hook: String,
        /// What is missing.
        source: MissingOutputs,
        /// Its last lines, redacted.
        log_tail: Vec<String>,
    },
    /// A hook's script is not there.
    #[error("hook {hook}: script {script} does not exist at this commit")]
    MissingScript {
        /// Where the hook stands in the configuration.
        hook: String,
        /// The script as written.
        script: String,
    },
    /// A placeholder cannot be rendered.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// A file cannot be generated.
    #[error("{0}")]
    Render(#[from] RenderError),
    /// Services depend on each other in a circle.
    #[error("services: {0}")]
    Cycle(#[from] CycleError),
    /// The manifest cannot be read.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The preview does not answer.
    #[error("service {service} is not ready: {}", source.chain())]
    NotReady {
        /// The service that was asked.
        service: String,
        /// What the probe said.
        source: PortError,
        /// Last lines of the last runner hook, redacted.
        log_tail: Vec<String>,
    },
    /// An earlier step left nothing to work with.
    #[error("there is no {0} yet: run the steps before")]
    Missing(&'static str),
}

impl StepFailure {
    const fn port_kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Port(error) | Self::NotReady { source: error, .. } => Some(error.kind()),
            _ => None,
        }
    }
}

/// A step failed.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct StepError {
    /// Which one.
    pub step: String,
    /// Why; its text tells all causes.
    pub failure: Box<StepFailure>,
}

impl StepError {
    /// The failure of a step.
    pub fn new(step: impl Into<String>, failure: impl Into<StepFailure>) -> Self {
        Self { step: step.into(), failure: Box::new(failure.into()) }
    }

    /// Whether doing the same again later can succeed without anybody mending anything.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.failure.port_kind().is_some_and(ErrorKind::may_retry)
    }

    /// Whether it failed because the work was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.failure.port_kind() == Some(ErrorKind::Cancelled)
    }

    /// Whether somebody with a newer epoch took over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.failure.port_kind() == Some(ErrorKind::Fenced)
    }

    /// The hook's exit code, where a hook ended with one.
    #[must_use]
    pub const fn exit_code(&self) -> Option<i32> {
        match &*self.failure {
            StepFailure::Hook(HookFailure { exit: HookExit::Code(code), .. }) => Some(*code),
            _ => None,
        }
    }

    /// The last lines of the step's output, redacted; empty where it has none.
    #[must_use]
    pub fn log_tail(&self) -> &[String] {
        match &*self.failure {
            StepFailure::Hook(HookFailure { log_tail, .. })
            | StepFailure::MissingOutputs { log_tail, .. }
            | StepFailure::NotReady { log_tail, .. } => log_tail,
            _ => &[],
        }
    }
}
