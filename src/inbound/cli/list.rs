//! `previewbot list`.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::arguments::ListArguments;
use super::output::{self, CliError};
use crate::domain::environment::Environment;
use crate::domain::ports::Environments;
use crate::domain::report::Snapshot;
use crate::domain::wording;

/// One preview as `list --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Project slug.
    pub project: String,
    /// Environment name.
    pub name: String,
    /// The word people see.
    pub status: String,
    /// The change's branch.
    pub branch: Option<String>,
    /// The commit that runs, else the one that is wanted.
    pub commit: Option<String>,
    /// Where it is placed.
    pub host: Option<String>,
    /// URL by service.
    pub urls: BTreeMap<String, String>,
    /// When this life began.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// When it will be destroyed for age.
    pub expires_at: Option<String>,
}

impl Row {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let status = wording::shown(snapshot).word().to_owned();
        Self { status, ..Self::of_environment(&snapshot.environment) }
    }

    /// An environment that was just made ready.
    pub(super) fn of_environment(environment: &Environment) -> Self {
        let commit = environment.published.as_ref().or_else(|| environment.desired.commit());
        Self {
            project: environment.project.slug.to_string(),
            name: environment.called(),
            status: "ready".to_owned(),
            branch: branch(environment),
            commit: commit.map(ToString::to_string),
            host: environment.host.clone(),
            urls: environment.urls.iter().cloned().collect(),
            created_at: output::time(environment.created_at),
            updated_at: output::time(environment.updated_at),
            expires_at: environment.expires_at.map(output::time),
        }
    }
}

/// The change's branch, or the one that a person's worktree is on.
fn branch(environment: &Environment) -> Option<String> {
    let own = || environment.entry.as_ref().map(|entry| entry.branch.clone()).filter(|branch| !branch.is_empty());
    environment.change.as_ref().map(|change| change.head.branch.clone()).or_else(own)
}

/// Prints all previews.
///
/// # Errors
/// When the store or the output fails.
pub async fn run(
    environments: &dyn Environments,
    arguments: &ListArguments,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut rows = Vec::new();
    for environment in environments.list(arguments.all).await? {
        if let Some(snapshot) = environments.snapshot(environment.id).await? {
            rows.push(Row::of(&snapshot));
        }
    }
    if arguments.json {
        return output::json(out, &rows);
    }
    if rows.is_empty() {
        writeln!(out, "no previews; one is made when somebody opens a change in a project")?;
        return Ok(());
    }
    let header = ["PROJECT", "NAME", "STATUS", "COMMIT", "HOST", "URL"];
    let cells: Vec<Vec<String>> = rows.iter().map(line).collect();
    Ok(output::table(out, &header, &cells)?)
}

fn line(row: &Row) -> Vec<String> {
    vec![
        row.project.clone(),
        row.name.clone(),
        row.status.clone(),
        row.commit.as_deref().map_or("-", |commit| &commit[..7.min(commit.len())]).to_owned(),
        row.host.clone().unwrap_or_else(|| "-".to_owned()),
        row.urls.values().next().cloned().unwrap_or_else(|| "-".to_owned()),
    ]
}
