//! `preview_step`: what a step would write or run, and how that differs from what is there.

use serde::Serialize;

use crate::domain::checkpoint::UnknownStep;
use crate::domain::line_diff::{LineChange, line_diff};
use crate::domain::ports::FileToWrite;
use crate::domain::project::{Hook, ProjectConfig, RunnerConfig};
use crate::manager::context::Context;
use crate::manager::plan::{self, StepId};
use crate::manager::step::{StepError, StepFailure};
use crate::manager::steps;
use crate::manager::{Manager, ManagerError};

/// One file that a step would write, secrets hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilePreview {
    /// Path from the compute root.
    pub path: String,
    /// Its whole text.
    pub text: String,
    /// The lines that differ from what is there.
    pub changes: Vec<LineChange>,
}

/// What a step would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepPreview {
    /// It would write these files.
    Files(Vec<FilePreview>),
    /// It would run these commands: where each stands in the configuration, and its text.
    Commands(Vec<(String, String)>),
}

impl StepPreview {
    /// The whole of it, as `step --print` shows it.
    #[must_use]
    pub fn text(&self) -> String {
        let block = |(name, text): (&str, &str)| format!("# {name}\n{}\n\n", text.trim_end_matches('\n'));
        match self {
            Self::Files(files) => files.iter().map(|file| block((&file.path, &file.text))).collect(),
            Self::Commands(commands) => commands.iter().map(|(name, text)| block((name, text))).collect(),
        }
    }

    /// What would be different afterwards, as `step --dry-run` shows it.
    #[must_use]
    pub fn difference(&self) -> String {
        let file = |file: &FilePreview| match file.changes.as_slice() {
            [] => format!("{}: no changes\n", file.path),
            changes => {
                let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
                format!("{}:\n{}\n", file.path, lines.join("\n"))
            }
        };
        match self {
            Self::Files(files) => files.iter().map(file).collect(),
            Self::Commands(_) => self.text(),
        }
    }
}

impl Manager {
    /// What a step of the runner phase, or `generate_manifest`, would write or run. Nothing is changed.
    ///
    /// # Errors
    /// `UnknownStep`, `UnknownEnvironment`, `NothingToShow`; what cannot be generated or read.
    pub async fn preview_step(&self, environment: &str, step: &str) -> Result<StepPreview, ManagerError> {
        let known = plan::callable_steps(&self.dependencies.config);
        let unknown = || UnknownStep { step: step.to_owned(), known: plan::names(&known) };
        let id = known.iter().find(|id| id.name() == step).ok_or_else(unknown)?;
        let context = self.open_existing(environment).await?;
        // The others are shown as they would be after `generate_manifest`.
        if *id != StepId::GenerateManifest
            && let Ok(manifest) = steps::built_manifest(&context).await
        {
            context.facts().await.manifest = Some(manifest);
        }
        let commands = commands(&self.dependencies.config, id, &steps::enabled(&context).await);
        if !commands.is_empty() {
            return Ok(StepPreview::Commands(commands));
        }
        let found = steps::step(&self.dependencies.config, id).files(&context).await;
        let Some(files) = found.map_err(|failure| StepError::new(step, failure))? else {
            return Err(ManagerError::NothingToShow(step.to_owned()));
        };
        let mut previews = Vec::new();
        for file in files {
            previews.push(self.preview(&context, file).await.map_err(|failure| StepError::new(step, failure))?);
        }
        Ok(StepPreview::Files(previews))
    }

    async fn preview(&self, context: &Context<'_>, file: FileToWrite) -> Result<FilePreview, StepFailure> {
        let there = context.access().await?.read_file(&file.path).await?.unwrap_or_default();
        let (old, new) = (String::from_utf8_lossy(&there), file.data.unwrap_or_default());
        let new = String::from_utf8_lossy(&new);
        let redactor = &self.dependencies.redactor;
        // Compared before secrets are hidden: a secret that changed is a change.
        let hide = |change| match change {
            LineChange::Removed(line) => LineChange::Removed(redactor.redact(&line)),
            LineChange::Added(line) => LineChange::Added(redactor.redact(&line)),
        };
        let changes = line_diff(&old, &new).into_iter().map(hide).collect();
        Ok(FilePreview { path: file.path, text: redactor.redact(&new), changes })
    }
}

/// The commands of a step that runs some.
fn commands(config: &ProjectConfig, id: &StepId, enabled: &[String]) -> Vec<(String, String)> {
    let hook = |label: &str, pick: fn(&RunnerConfig) -> &Hook| {
        let hook = config.runner.as_ref().map(pick).filter(|hook| hook.is_set());
        hook.map(|hook| (label.to_owned(), hook.command.clone())).into_iter().collect::<Vec<_>>()
    };
    match id {
        StepId::RunnerBefore => hook("runner.before", |runner| &runner.before),
        StepId::RunnerDeploy => hook("runner.deploy", |runner| &runner.deploy),
        StepId::RunnerAfter => hook("runner.after", |runner| &runner.after),
        StepId::BuildServices => {
            let together = hook("runner.build", |runner| &runner.build);
            if !together.is_empty() {
                return together;
            }
            let build = |name: &String| {
                let text = config.services.get(name).map(|service| service.build.clone())?;
                (!text.is_empty()).then(|| (format!("services.{name}.build"), text))
            };
            enabled.iter().filter_map(build).collect()
        }
        _ => Vec::new(),
    }
}
