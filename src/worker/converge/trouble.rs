//! What can go wrong while an environment is made what it should be, and what people are shown of it.

use std::time::Duration;

use crate::domain::environment::{Annotation, AnnotationLevel, Failure};
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::project::load::{LoadError, Refused};
use crate::domain::project::problem::{Problem, Severity};
use crate::domain::redact::Redactor;
use crate::manager::ManagerError;

/// Why a job of an environment did not reach its goal.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// A port failed before or after the Manager worked.
    #[error("{}", .0.chain())]
    Port(#[from] PortError),
    /// The configuration cannot be used.
    #[error("{}", .0.problems)]
    Configuration(Box<Refused>),
    /// Untrusted code that may not run, or not any more.
    #[error("nothing was run: {0}")]
    Unapproved(String),
    /// The Manager failed.
    #[error("{0}")]
    Manager(#[from] ManagerError),
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Refused(refused) => Self::Configuration(refused),
            LoadError::Port(error) => Self::Port(error),
        }
    }
}

impl Trouble {
    pub(super) fn may_retry(&self) -> bool {
        match self {
            Self::Port(error) => error.kind().may_retry(),
            Self::Manager(error) => error.may_retry(),
            Self::Configuration(_) | Self::Unapproved(_) => false,
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
            Self::Configuration(_) | Self::Unapproved(_) => false,
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
            Self::Configuration(_) | Self::Unapproved(_) => false,
        }
    }

    /// What the change, the page and the command line show.
    pub(super) fn failure(&self, redactor: &Redactor) -> Failure {
        let mut failure = Failure {
            step: "prepare".to_owned(),
            message: redactor.redact(&self.to_string()),
            exit_code: None,
            log_tail: Vec::new(),
            annotations: Vec::new(),
            left_behind: Vec::new(),
        };
        match self {
            Self::Port(_) => {}
            Self::Unapproved(_) => failure.step = "approval".to_owned(),
            Self::Configuration(refused) => {
                failure.step = "configuration".to_owned();
                failure.annotations =
                    refused.problems.iter().map(|problem| annotation(problem, redactor)).collect();
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

fn annotation(problem: &Problem, redactor: &Redactor) -> Annotation {
    Annotation {
        path: problem.file.clone(),
        line: problem.line.unwrap_or(1),
        column: problem.column,
        level: match problem.severity {
            Severity::Error => AnnotationLevel::Failure,
            Severity::Warning => AnnotationLevel::Warning,
        },
        message: redactor.redact(&problem.sentence()),
    }
}
