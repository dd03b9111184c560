//! `previewbot status NAME`.

use std::collections::BTreeSet;
use std::io::Write;

use serde::Serialize;

use super::arguments::{StatusArguments, StatusFormat};
use super::list::Row;
use super::output::{self, CliError};
use crate::domain::environment::{Environment, Failure};
use crate::domain::ports::Environments;
use crate::domain::report::{Snapshot, StepLine};
use crate::domain::wording::{self, StatusTable};

/// One preview as `status --json` shows it.
#[derive(Debug, Serialize)]
struct Detail {
    #[serde(flatten)]
    row: Row,
    desired: &'static str,
    reason: String,
    title: Option<String>,
    ports: std::collections::BTreeMap<String, u16>,
    steps: Vec<StepLine>,
    failure: Option<Failure>,
}

/// An environment of the project that the command is given in.
#[derive(Debug)]
pub struct Here {
    /// The environment.
    pub environment: Environment,
    /// Names of infrastructure services.
    pub infrastructure: BTreeSet<String>,
    /// Domain of the proxy; empty when there is none.
    pub proxy_domain: String,
}

/// Prints one preview.
///
/// # Errors
/// When there is none of that name, or several; when the store or the output fails.
pub async fn run(
    environments: &dyn Environments,
    arguments: &StatusArguments,
    here: Option<Here>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (environment, links) = match here {
        Some(here) => (here.environment, Some((here.infrastructure, here.proxy_domain))),
        None => (find(environments, arguments).await?, None),
    };
    let Some(snapshot) = environments.snapshot(environment.id).await? else {
        return Err(CliError::Asked(format!("{} has just been removed", environment.name)));
    };
    let detail = Detail {
        row: Row::of(&snapshot),
        desired: snapshot.environment.desired.as_str(),
        reason: snapshot.environment.reason.clone(),
        title: snapshot.environment.change.as_ref().map(|change| change.title.clone()),
        ports: snapshot.environment.entry.as_ref().and_then(|e| e.ports.clone()).unwrap_or_default(),
        steps: snapshot.steps.clone(),
        failure: snapshot.environment.failure.clone(),
    };
    match arguments.format {
        _ if arguments.json => output::json(out, &detail),
        StatusFormat::Json => output::json(out, &detail),
        StatusFormat::Markdown => markdown(&detail, links, out),
        StatusFormat::Text => print(&snapshot, &detail, out),
    }
}

async fn find(environments: &dyn Environments, arguments: &StatusArguments) -> Result<Environment, CliError> {
    let wanted = arguments
        .name
        .as_ref()
        .or(arguments.target.environment.as_ref())
        .ok_or_else(|| CliError::Asked("name the preview; `previewbot list` shows them".to_owned()))?;
    let mut found: Vec<Environment> = environments
        .list(true)
        .await?
        .into_iter()
        .filter(|e| e.called() == *wanted)
        .filter(|e| arguments.project.as_deref().is_none_or(|slug| e.project.slug.as_str() == slug))
        .collect();
    let name = output::plain(wanted);
    match found.len() {
        0 => Err(CliError::Asked(format!("no preview is called {name}; `previewbot list --all` shows them"))),
        1 => Ok(found.remove(0)),
        _ => {
            let slugs: Vec<&str> = found.iter().map(|e| e.project.slug.as_str()).collect();
            let slugs = slugs.join(", ");
            Err(CliError::Asked(format!("several projects have {name}; add --project with one of: {slugs}")))
        }
    }
}

/// A table of links, as a comment takes it: of what the bot published, else of what the project's ports are.
fn markdown(
    detail: &Detail,
    links: Option<(BTreeSet<String>, String)>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if let Some((infrastructure, proxy_domain)) = links {
        let (environment, ports) = (&detail.row.name, &detail.ports);
        let table =
            StatusTable { environment, ports, infrastructure: &infrastructure, proxy_domain: &proxy_domain };
        return Ok(write!(out, "{}", wording::status_markdown(&table))?);
    }
    writeln!(out, "| Service | URL |\n|---|---|")?;
    let escape = wording::escape;
    detail.row.urls.iter().try_for_each(|(s, url)| writeln!(out, "| {} | {} |", escape(s), escape(url)))?;
    Ok(())
}

fn print(snapshot: &Snapshot, detail: &Detail, out: &mut dyn Write) -> Result<(), CliError> {
    let row = &detail.row;
    writeln!(out, "{} / {}: {}", row.project, row.name, row.status)?;
    if let Some(title) = &detail.title {
        writeln!(out, "  change   #{} {}", snapshot.environment.number, output::plain(title))?;
    }
    writeln!(out, "  reason   {}", output::plain(&detail.reason))?;
    if let Some(commit) = &row.commit {
        writeln!(out, "  commit   {commit}")?;
    }
    for (service, url) in &snapshot.environment.urls {
        writeln!(out, "  {service:8} {url}")?;
    }
    if let Some(expires_at) = &row.expires_at {
        writeln!(out, "  expires  {expires_at}")?;
    }
    for step in &detail.steps {
        let took = step.duration_ms.map(wording::duration).unwrap_or_default();
        writeln!(out, "  {:24} {:10} {took}", step.step, step.status.as_str())?;
    }
    if let Some(failure) = &detail.failure {
        writeln!(out, "  failed at {}: {}", failure.step, output::plain(&failure.message))?;
        failure.log_tail.iter().try_for_each(|line| writeln!(out, "    | {}", output::plain(line)))?;
    }
    Ok(())
}
