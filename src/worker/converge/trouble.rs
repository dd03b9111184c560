//! What can go wrong while an environment is made what it should be, and what people are shown of it.

use std::time::Duration;

use crate::domain::compose::ComposeError;
use crate::domain::environment::{Annotation, Failure};
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::project::parse::ConfigError;
use crate::domain::project::validate::ValidationError;
use crate::domain::redact::Redactor;
use crate::manager::ManagerError;

/// Why a job of an environment did not reach its goal.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// A port failed before or after the Manager worked.
    #[error("{}", .0.chain())]
    Port(#[from] PortError),
    /// `previewctl.yaml` cannot be read.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The infrastructure's compose file cannot be read.
    #[error("{file}: {error}")]
    Compose {
        /// Path of the compose file.
        file: String,
        /// What is wrong with it.
        error: ComposeError,
    },
    /// The configuration can be read but not used.
    #[error("the configuration has {} problem{}: {}", .0.len(), if .0.len() == 1 { "" } else { "s" }, join(.0))]
    Problems(Vec<ValidationError>),
    /// The Manager failed.
    #[error("{0}")]
    Manager(#[from] ManagerError),
}

fn join(problems: &[ValidationError]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

impl Trouble {
    pub(super) fn may_retry(&self) -> bool {
        match self {
            Self::Port(error) => error.kind().may_retry(),
            Self::Manager(error) => error.may_retry(),
            Self::Config(_) | Self::Compose { .. } | Self::Problems(_) => false,
        }
    }

    /// How long the other side asked us to wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Port(error) => match error.kind() {
                ErrorKind::RateLimited(wait) => Some(wait),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        match self {
            Self::Port(error) => error.kind() == ErrorKind::Cancelled,
            Self::Manager(error) => error.is_cancelled(),
            _ => false,
        }
    }

    /// Whether the environment's generation moved on, so that this job's result is not wanted any more.
    pub(super) fn is_outdated(&self) -> bool {
        matches!(self, Self::Port(error) if error.kind() == ErrorKind::Conflict)
    }

    /// Whether a newer claim took the environment over.
    pub(super) fn is_fenced(&self) -> bool {
        match self {
            Self::Port(error) => error.kind() == ErrorKind::Fenced,
            Self::Manager(error) => error.is_fenced(),
            _ => false,
        }
    }

    /// What the change, the page and the command line show.
    pub(super) fn failure(&self, redactor: &Redactor) -> Failure {
        let mut failure = Failure {
            step: "prepare".to_owned(),
            message: redactor.redact(&self.to_string()),
            exit_code: None,
            log_tail: Vec::new(),
            annotation: None,
            left_behind: Vec::new(),
        };
        match self {
            Self::Port(_) => {}
            Self::Config(error) => {
                failure.step = "configuration".to_owned();
                failure.annotation = Some(annotation(&error.file, error.line, &error.message));
            }
            Self::Compose { file, error } => {
                failure.step = "configuration".to_owned();
                failure.annotation = Some(annotation(file, None, &error.to_string()));
            }
            Self::Problems(_) => {
                failure.step = "configuration".to_owned();
                failure.annotation =
                    Some(annotation(crate::domain::project::overlay::BASE_FILE, None, &failure.message));
            }
            Self::Manager(ManagerError::Step(error)) => {
                failure.step.clone_from(&error.step);
                failure.exit_code = error.exit_code();
                failure.log_tail = error.log_tail().iter().map(|line| redactor.redact(line)).collect();
            }
            Self::Manager(ManagerError::Destroy(error)) => {
                failure.step = "destroy".to_owned();
                failure.left_behind = error.left.iter().map(|left| redactor.redact(left)).collect();
            }
            Self::Manager(_) => failure.step = "deploy".to_owned(),
        }
        failure
    }
}

fn annotation(file: &str, line: Option<u64>, message: &str) -> Annotation {
    Annotation { path: file.to_owned(), line: line.unwrap_or(1), message: message.to_owned() }
}
