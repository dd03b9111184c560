//! `previewbot jobs`.

use std::io::Write;

use serde::Serialize;

use super::arguments::JobsArguments;
use super::output::{self, CliError};
use crate::domain::job::Job;
use crate::domain::ports::{JobFilter, JobQueue};

/// One job as `jobs --json` shows it.
#[derive(Debug, Serialize)]
struct Row {
    id: i64,
    project: Option<String>,
    environment: Option<String>,
    kind: &'static str,
    state: &'static str,
    attempt: i64,
    reason: String,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

impl Row {
    fn of(job: &Job) -> Self {
        Self {
            id: job.id.0,
            project: job.project.clone(),
            environment: job.environment.clone(),
            kind: job.work.kind(),
            state: job.state.as_str(),
            attempt: job.attempt,
            reason: job.reason.clone(),
            created_at: output::time(job.created_at),
            started_at: job.started_at.map(output::time),
            finished_at: job.finished_at.map(output::time),
        }
    }
}

/// Prints jobs, newest first.
///
/// # Errors
/// When the store or the output fails.
pub async fn run(queue: &dyn JobQueue, arguments: &JobsArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let filter = JobFilter {
        states: arguments.state.clone(),
        environment: arguments.environment.clone(),
        limit: arguments.limit,
    };
    let rows: Vec<Row> = queue.list(&filter).await?.iter().map(Row::of).collect();
    if arguments.json {
        return output::json(out, &rows);
    }
    let header = ["ID", "PROJECT", "ENVIRONMENT", "KIND", "STATE", "TRY", "CREATED", "REASON"];
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.id.to_string(),
                dash(&row.project),
                dash(&row.environment),
                row.kind.to_owned(),
                row.state.to_owned(),
                row.attempt.to_string(),
                row.created_at.clone(),
                output::plain(&row.reason),
            ]
        })
        .collect();
    Ok(output::table(out, &header, &cells)?)
}
