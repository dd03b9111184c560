//! The core's use cases: a [`Manager`] is built for one job from its dependencies and offers one method per verb.
//!
//! `plan` says which steps a phase has and in which order, `execute` walks them (checkpoint, verify, run, record,
//! report), `steps` holds one step per file, `verbs` one use case per file. Only domain ports are spoken to.

mod context;
mod decide;
mod error;
mod execute;
mod fingerprint;
mod hooks;
mod plan;
mod reset_target;
mod script;
mod step;
mod steps;
mod verbs;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::domain::change::Sha;
use crate::domain::environment::LifeId;
use crate::domain::ports::{
    Clock, ComputePort, HookRunner, NetworkingPort, ProgressReporter, ReadinessProbe, StatePort,
};
use crate::domain::project::ProjectConfig;
use crate::domain::redact::Redactor;

pub use context::Context;
pub use decide::Why;
pub use error::{DestroyError, ManagerError};
pub use execute::{Done, execute};
pub use plan::{build_provisioner_step_order, build_runner_step_order};
pub use reset_target::{ResetTargetError, reset_target, resettable_services};
pub use step::{
    Attempt, Checkpoint, Freshness, Hashed, HookFailure, Inputs, Outputs, Rules, Step, StepError, StepFailure,
};
pub use verbs::{Deployed, FilePreview, PlannedStep, ReconcileReport, Reconciled, RefreshScope, StepPreview};

/// Everything that a Manager works with, for one job.
#[derive(Clone)]
pub struct Dependencies {
    /// The merged project configuration at the commit that trust allows.
    pub config: ProjectConfig,
    /// The control checkout: the project root, and where provisioner hooks run.
    pub project_root: PathBuf,
    /// Where the environment lives.
    pub compute: Arc<dyn ComputePort>,
    /// Ports and addresses.
    pub networking: Arc<dyn NetworkingPort>,
    /// The core's entries, fenced by the job's epoch.
    pub state: Arc<dyn StatePort>,
    /// Who is told of the steps.
    pub progress: Arc<dyn ProgressReporter>,
    /// Runs provisioner hooks on this machine; runner hooks go through the compute access.
    pub hooks: Arc<dyn HookRunner>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Asks the published URL whether it answers; `None` = no probe step.
    pub probe: Option<Arc<dyn ReadinessProbe>>,
    /// Asks the work to stop.
    pub cancel: CancellationToken,
    /// The project's secrets: variables of hooks, and `{{secrets.NAME}}` in env files.
    pub secrets: BTreeMap<String, SecretString>,
    /// Hides secrets in what is reported.
    pub redactor: Redactor,
    /// The environment's present life, `PREVIEWCTL_ENVIRONMENT_ID` of every hook.
    pub life: LifeId,
    /// The commit that is deployed; `None` for a person's own worktree.
    pub commit: Option<Sha>,
    /// Name of this machine for records.
    pub machine: String,
    /// Which boot of the machine the environment's processes live in: what runner hooks started is gone with it, so
    /// they run again in another one. `None`: not known.
    pub boot: Option<String>,
    /// Limit of every hook and every other long step.
    pub step_timeout: Duration,
    /// Whether every step runs whatever its record says.
    pub no_cache: bool,
}

/// The core's use cases; see the files of `verbs`.
pub struct Manager {
    dependencies: Dependencies,
    no_cache: AtomicBool,
}

impl Manager {
    /// A Manager for one job.
    #[must_use]
    pub fn new(dependencies: Dependencies) -> Self {
        let no_cache = AtomicBool::new(dependencies.no_cache);
        Self { dependencies, no_cache }
    }
}
