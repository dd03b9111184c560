//! `previewbot steps`.

use std::io::Write;

use serde::Serialize;

use super::arguments::StepsArguments;
use super::output::{self, CliError};
use super::progress::took;
use crate::domain::checkpoint::{AuditEntry, RecordStatus, StepRecord};
use crate::domain::environment::Environment;
use crate::domain::ports::StatePort;
use crate::domain::project::ProjectConfig;
use crate::manager::{build_provisioner_step_order, build_runner_step_order};

/// One step as `steps --json` shows it; what a step made is not shown, it may be secret.
#[derive(Debug, Serialize)]
struct Row {
    step: String,
    status: String,
    finished_at: Option<String>,
    duration_ms: Option<i64>,
    machine: Option<String>,
    error: Option<String>,
}

impl Row {
    fn of(step: &str, record: Option<&StepRecord>) -> Self {
        Self {
            step: step.to_owned(),
            status: record.map_or("pending", |record| word(record.status)).to_owned(),
            finished_at: record.map(|record| output::time(record.finished_at.as_millisecond())),
            duration_ms: record.map(|record| record.duration_ms),
            machine: record.map(|record| record.machine.clone()),
            error: record.and_then(|record| record.error.clone()),
        }
    }
}

const fn word(status: RecordStatus) -> &'static str {
    match status {
        RecordStatus::Started => "started",
        RecordStatus::Completed => "completed",
        RecordStatus::Failed => "failed",
        RecordStatus::Invalidated => "invalidated",
    }
}

/// Prints every step that the configuration has, with what became of it.
///
/// # Errors
/// When the state or the output fails.
pub async fn run(
    environment: &Environment,
    config: &ProjectConfig,
    state: &dyn StatePort,
    arguments: &StepsArguments,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if arguments.audit {
        let history = state.audit(&environment.called()).await?;
        return audit(&history, arguments.json, out);
    }
    let records = environment.entry.as_ref().map(|entry| entry.steps.clone()).unwrap_or_default();
    let order = [build_provisioner_step_order(config), build_runner_step_order(config)].concat();
    let rows: Vec<Row> = order.iter().map(|step| Row::of(step, records.get(step))).collect();
    if arguments.json {
        return output::json(out, &rows);
    }
    for row in &rows {
        let mark = match row.status.as_str() {
            "completed" => "✓",
            "failed" => "✗",
            "started" => "…",
            _ => "·",
        };
        let lasted = row.duration_ms.filter(|_| row.status != "pending").map(took).unwrap_or_default();
        let error = row.error.as_ref().map(|error| format!("  {}", output::plain(error))).unwrap_or_default();
        writeln!(out, "{}", format!("{mark} {:22} {:12} {lasted:>10}{error}", row.step, row.status).trim_end())?;
    }
    Ok(())
}

fn audit(history: &[AuditEntry], json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return output::json(out, &history);
    }
    let header = ["TIME", "STEP", "ACTION", "TOOK", "MACHINE", "REMARK"];
    let cells: Vec<Vec<String>> = history
        .iter()
        .map(|line| {
            let action = serde_json::to_value(line.action).ok().and_then(|word| Some(word.as_str()?.to_owned()));
            let remark = line.error.as_ref().or(line.message.as_ref()).cloned().unwrap_or_default();
            vec![
                output::time(line.timestamp.as_millisecond()),
                line.step.clone(),
                action.unwrap_or_default(),
                if line.duration_ms > 0 { took(line.duration_ms) } else { "-".to_owned() },
                line.machine.clone(),
                output::plain(&remark),
            ]
        })
        .collect();
    Ok(output::table(out, &header, &cells)?)
}
