//! Validation that collects every problem (spec §4): of the configuration alone, of its placeholders, and with a
//! look at the project's files.

mod advice;
mod files;
mod names;
mod structure;
mod templates;

use std::cell::Cell;
use std::collections::BTreeSet;

pub use advice::warnings;
pub(super) use files::clean;
pub use files::{ProjectFiles, validate_files};
pub(super) use structure::check as structure;

use super::ProjectConfig;
use super::parse::block::nearest;
use super::problem::Severity;

/// Known names that an unknown one is compared with.
const MOST_COMPARED: usize = 500;

/// Unknown names whose nearest known one is looked for.
const MOST_HINTS: usize = 50;

/// One problem, not yet placed in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValidationError {
    /// Kind name of the spec, `unknown_dependency`, ….
    pub kind: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Dotted place of the value at fault, `services.web.depends_on[0]`.
    pub place: String,
    /// The part of the value that is at fault, and which of its occurrences, from 0.
    pub focus: Option<(String, usize)>,
    /// Places without which this cannot be judged.
    pub needs: Vec<String>,
    /// What is wrong, with names.
    pub message: String,
    /// The nearest known name, or what to do.
    pub help: Option<String>,
}

impl ValidationError {
    fn new(kind: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            severity: Severity::Error,
            place: place.into(),
            focus: None,
            needs: Vec::new(),
            message: message.into(),
            help: None,
        }
    }

    fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The nearest of the known names, when one is alike.
    fn with_names<'n>(self, name: &str, known: impl Iterator<Item = &'n String>, hints: &Hints) -> Self {
        Self { help: hints.nearest(name, known), ..self }
    }

    fn needing(self, places: &[&str]) -> Self {
        Self { needs: places.iter().map(|place| (*place).to_owned()).collect(), ..self }
    }
}

/// Everything that is wrong with a merged configuration of a project without secrets, in byte order of the names.
#[must_use]
pub fn validate(config: &ProjectConfig) -> Vec<ValidationError> {
    validate_with_secrets(config, Some(&BTreeSet::new()))
}

/// The same for a project that has secrets of these names, so that `{{secrets.NAME}}` may refer to them; `None`
/// where nobody knows which there are.
#[must_use]
pub fn validate_with_secrets(config: &ProjectConfig, secrets: Option<&BTreeSet<String>>) -> Vec<ValidationError> {
    let hints = Hints::default();
    let mut problems = names::check(config, &hints);
    problems.extend(templates::check(config, secrets, &hints));
    problems
}

/// Looks for what was meant, for so many names that a flood of mistakes costs no flood of comparisons.
#[derive(Debug, Default)]
struct Hints(Cell<usize>);

impl Hints {
    fn nearest<'n>(&self, name: &str, known: impl Iterator<Item = &'n String>) -> Option<String> {
        let given = self.0.replace(self.0.get().saturating_add(1));
        let known = known.take(MOST_COMPARED).map(String::as_str);
        (given < MOST_HINTS)
            .then(|| nearest(name, known))
            .flatten()
            .map(|meant| format!("did you mean `{meant}`?"))
    }
}
