//! What commands on running environments print.

use std::collections::BTreeMap;
use std::io::Write;

use super::output::{self, CliError};
use crate::domain::service_state::{InfraRow, ServiceRow};
use crate::manager::PlannedStep;

/// One line of a log. Colours are the writer's own wish; every other control character is shown, not sent.
#[must_use]
pub fn line(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('\u{1b}') {
        shown.push_str(&output::plain(&rest[..start]));
        rest = &rest[start..];
        let colour = rest.strip_prefix("\u{1b}[").and_then(|inner| {
            let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            inner[end..].starts_with('m').then_some(end + 3)
        });
        let length = colour.unwrap_or(1);
        shown.push_str(&if colour.is_some() { rest[..length].to_owned() } else { output::plain(&rest[..length]) });
        rest = &rest[length..];
    }
    shown + &output::plain(rest)
}

/// Prints an environment's store.
///
/// # Errors
/// When the output fails.
pub fn values(values: &BTreeMap<String, String>, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return output::json(out, values);
    }
    values.iter().try_for_each(|(key, value)| writeln!(out, "{key}={}", output::plain(value)))?;
    Ok(())
}

/// Prints the infrastructure's services.
///
/// # Errors
/// When the output fails.
pub fn infrastructure(rows: &[InfraRow], json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return output::json(out, &rows);
    }
    let dash = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), output::plain);
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![row.service.clone(), row.status.clone(), dash(&row.health), dash(&row.image), dash(&row.detail)]
        })
        .collect();
    Ok(output::table(out, &["SERVICE", "STATUS", "HEALTH", "IMAGE", "DETAIL"], &cells)?)
}

/// Prints the application's services.
///
/// # Errors
/// When the output fails.
pub fn services(rows: &[ServiceRow], json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return output::json(out, &rows);
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let enabled = if row.enabled { "yes" } else { "no" };
            let port = row.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
            vec![
                row.service.clone(),
                enabled.to_owned(),
                row.state.clone().unwrap_or_else(|| "-".to_owned()),
                port,
            ]
        })
        .collect();
    Ok(output::table(out, &["SERVICE", "ENABLED", "STATE", "PORT"], &cells)?)
}

/// Prints what a deploy would do, and why.
///
/// # Errors
/// When the output fails.
pub fn plan(steps: &[PlannedStep], json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return output::json(out, &steps);
    }
    for step in steps {
        let mark = if step.runs { "run " } else { "skip" };
        writeln!(out, "{mark}  {:22} {}", step.step, output::plain(&step.why))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn colours_stay_and_nothing_else_steers_the_terminal() {
        assert_eq!(line("\u{1b}[31;1mred\u{1b}[0m"), "\u{1b}[31;1mred\u{1b}[0m");
        assert_eq!(line("a\u{1b}[2Jb\u{1b}]0;t\u{7}c\rd"), "a\u{fffd}[2Jb\u{fffd}]0;t\u{fffd}c\u{fffd}d");
        assert_eq!(line("\u{1b}["), "\u{fffd}[");
    }
}
