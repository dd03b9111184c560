//! `previewbot vet`: all that is wrong with a project's configuration, at once.

use std::io::Write;

use serde::Serialize;

use super::diagnostics;
use super::output::{self, CliError};
use crate::domain::project::load::{LoadError, Loaded, ProjectReader, Refused, Request, load};
use crate::domain::project::overlay::BASE_FILE;
use crate::domain::project::problem::{Problems, Severity};
use crate::domain::project::source::Sources;
use crate::domain::project::validate::ProjectFiles;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Drawn for people.
    #[default]
    Drawn,
    /// Drawn, and as annotations of GitHub Actions.
    Annotated,
    /// JSON.
    Json,
}

/// How it is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// In which form.
    pub form: Form,
    /// Warnings fail too.
    pub strict: bool,
    /// Colours.
    pub colour: bool,
}

/// Whether the configuration passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It can be used.
    Passed,
    /// It cannot, or not strictly; what is wrong was printed.
    Failed,
}

/// What `vet --json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    passed: bool,
    errors: usize,
    warnings: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
    problems: &'a Problems,
}

/// What a configuration that can be used is made of.
#[derive(Debug, Serialize)]
struct Summary {
    name: String,
    mode: String,
    services: usize,
    infrastructure_services: usize,
    provisioner_services: usize,
    files: Vec<String>,
}

impl Summary {
    fn of(loaded: &Loaded) -> Self {
        let config = &loaded.config;
        Self {
            name: config.name.clone(),
            mode: config.mode.clone(),
            services: config.services.len(),
            infrastructure_services: config.infrastructure.as_ref().map_or(0, |i| i.services.len()),
            provisioner_services: config.provisioner.services.len(),
            files: loaded.files.clone(),
        }
    }

    fn sentence(&self) -> String {
        let parts = [
            count(self.services, "service"),
            count(self.infrastructure_services, "infrastructure service"),
            count(self.provisioner_services, "provisioner service"),
        ];
        format!("{}, mode {}", parts.join(", "), self.mode)
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Reads a project's configuration and prints all that is wrong with it, and a summary.
///
/// # Errors
/// When the output or a port fails; a bad configuration is a [`Verdict`].
pub async fn run(
    request: &Request<'_>,
    (reader, files): (&dyn ProjectReader, &dyn ProjectFiles),
    options: Options,
    out: &mut dyn Write,
) -> Result<Verdict, CliError> {
    let (problems, sources, summary) = match load(request, reader, files).await {
        Ok(loaded) => {
            let summary = Summary::of(&loaded);
            (loaded.warnings, loaded.sources, Some(summary))
        }
        Err(LoadError::Refused(refused)) => {
            let Refused { problems, sources } = *refused;
            (problems, sources, None)
        }
        Err(LoadError::Port(error)) => return Err(error.into()),
    };
    let warnings = problems.count(Severity::Warning);
    let passed = summary.is_some() && !(options.strict && warnings > 0);
    if options.form == Form::Json {
        let errors = problems.count(Severity::Error);
        output::json(out, &Report { passed, errors, warnings, summary, problems: &problems })?;
    } else {
        tell(&problems, &sources, options, out)?;
        conclude(&problems, summary.as_ref().filter(|_| passed), out)?;
    }
    Ok(if passed { Verdict::Passed } else { Verdict::Failed })
}

fn tell(problems: &Problems, sources: &Sources, options: Options, out: &mut dyn Write) -> Result<(), CliError> {
    diagnostics::print(problems, sources, options.colour, out)?;
    if options.form == Form::Annotated {
        diagnostics::annotate(problems, out)?;
    }
    Ok(())
}

fn conclude(problems: &Problems, summary: Option<&Summary>, out: &mut dyn Write) -> Result<(), CliError> {
    let mut counts = Vec::new();
    for severity in [Severity::Error, Severity::Warning] {
        let number = problems.count(severity);
        if number > 0 {
            counts.push(count(number, severity.as_str()));
        }
    }
    let counts = counts.join(", ");
    match summary {
        None => writeln!(out, "✗ {BASE_FILE}: {counts}")?,
        Some(summary) if counts.is_empty() => writeln!(out, "✓ {BASE_FILE}: {}", summary.sentence())?,
        Some(summary) => writeln!(out, "✓ {BASE_FILE}: {}; {counts}", summary.sentence())?,
    }
    Ok(())
}
