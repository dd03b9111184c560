//! How a verb fails.

use super::step::StepError;
use crate::domain::checkpoint::UnknownStep;
use crate::domain::error::{ErrorKind, PortError};

/// A destroy that could not remove everything. The entry is kept, so that destroying again can finish.
#[derive(Debug, thiserror::Error)]
#[error("environment `{environment}` is not destroyed completely: {}", describe(failures))]
pub struct DestroyError {
    /// The environment.
    pub environment: String,
    /// What is left behind, in words.
    pub left: Vec<String>,
    /// What failed, in order.
    pub failures: Vec<StepError>,
}

impl DestroyError {
    /// Whether destroying again later can remove more without anybody mending anything.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.failures.iter().any(StepError::may_retry)
    }
}

fn describe(failures: &[StepError]) -> String {
    let texts: Vec<String> = failures.iter().map(|error| format!("{}: {error}", error.step)).collect();
    texts.join("; ")
}

/// A verb failed.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// There is no such environment.
    #[error("there is no environment `{0}`")]
    UnknownEnvironment(String),
    /// There is no such provisioner service.
    #[error("there is no service `{service}` in provisioner.services; there is {}", list(known))]
    UnknownService {
        /// The name that was asked for.
        service: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The service has no hook for this.
    #[error("service `{service}` has no `{action}` hook in provisioner.services.{service}")]
    NoHook {
        /// The service.
        service: String,
        /// The hook's name.
        action: &'static str,
    },
    /// A running environment is not attached again.
    #[error("environment `{0}` is running already: delete it before attaching it again")]
    AlreadyRunning(String),
    /// The environment lives elsewhere.
    #[error("environment `{environment}` lives in {path}: delete it before giving it another place")]
    OtherPlace {
        /// The environment.
        environment: String,
        /// Where it lives.
        path: String,
    },
    /// The environment's worktree is on another branch.
    #[error("environment `{environment}` is on branch `{actual}`, not `{wanted}`: delete it first")]
    OtherBranch {
        /// The environment.
        environment: String,
        /// The branch that its worktree is on.
        actual: String,
        /// The branch that was asked for.
        wanted: String,
    },
    /// No such service in previewctl.yaml.
    #[error("there is no service `{service}`; the services are {}", list(known))]
    UnknownApplicationService {
        /// The name that was asked for.
        service: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// No such service in the infrastructure's compose file.
    #[error("the infrastructure has no service `{service}`; it has {}", list(known))]
    UnknownInfrastructureService {
        /// The name that was asked for.
        service: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The project's services do not run in containers of ours.
    #[error("runner.compose is not configured in previewctl.yaml: runner.deploy starts the services")]
    NoApplication,
    /// The service has nothing to start.
    #[error("service `{0}` has no start command: set services.{0}.start")]
    NotStartable(String),
    /// The project has no infrastructure.
    #[error("infrastructure.compose_file is not set in previewctl.yaml: there is no infrastructure")]
    NoInfrastructure,
    /// A store key that no variable and no placeholder could name.
    #[error("store key `{0}` must be made of letters, digits, `_` and `-`, and begin with a letter or `_`")]
    BadStoreKey(String),
    /// The store has no such value.
    #[error("the store of `{environment}` has no value `{key}`; it has {}", list(known))]
    UnknownStoreKey {
        /// The environment.
        environment: String,
        /// The key that was asked for.
        key: String,
        /// The keys that there are.
        known: Vec<String>,
    },
    /// The step writes nothing that could be shown.
    #[error("step `{0}` writes no file and runs no command that could be shown beforehand")]
    NothingToShow(String),
    /// `from` names no step of the phase.
    #[error(transparent)]
    UnknownStep(#[from] UnknownStep),
    /// A step failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// Something is left of a destroyed environment.
    #[error(transparent)]
    Destroy(#[from] DestroyError),
    /// A port failed outside any step.
    #[error("{}", .0.chain())]
    Port(#[from] PortError),
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

impl ManagerError {
    /// Whether doing the same again later can succeed without anybody mending anything.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Step(error) => error.may_retry(),
            Self::Destroy(error) => error.may_retry(),
            Self::Port(error) => error.kind().may_retry(),
            _ => false,
        }
    }

    /// Whether it failed because the work was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Step(error) => error.is_cancelled(),
            Self::Port(error) => error.kind() == ErrorKind::Cancelled,
            _ => false,
        }
    }

    /// Whether somebody with a newer epoch took over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        match self {
            Self::Step(error) => error.is_fenced(),
            Self::Port(error) => error.kind() == ErrorKind::Fenced,
            _ => false,
        }
    }
}
