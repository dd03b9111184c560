//! Validation that collects every problem (spec §4): of the configuration alone, of its placeholders, and with a
//! look at the project's files.

mod files;
mod names;
mod templates;

use std::collections::BTreeSet;

pub use files::{ProjectFiles, validate_files};

use super::ProjectConfig;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValidationError {
    /// Kind name of the spec, `unknown_dependency`, ….
    pub kind: &'static str,
    /// What is wrong, with names.
    pub message: String,
}

impl ValidationError {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Everything that is wrong with a merged configuration of a project without secrets, in byte order of the names.
#[must_use]
pub fn validate(config: &ProjectConfig) -> Vec<ValidationError> {
    validate_with_secrets(config, &BTreeSet::new())
}

/// The same for a project that has secrets of these names, so that `{{secrets.NAME}}` may refer to them.
#[must_use]
pub fn validate_with_secrets(config: &ProjectConfig, secrets: &BTreeSet<String>) -> Vec<ValidationError> {
    let mut problems = names::check(config);
    problems.extend(templates::check(config, secrets));
    problems
}
