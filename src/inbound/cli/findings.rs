//! How `hosts check` and `doctor` print what they found.

use std::io::Write;

use super::output::{self, CliError};
use crate::domain::checkup::{Finding, Verdict, failures};

/// Columns that the name of a check takes.
const NAME: usize = 12;

/// Prints findings, those of one subject below its name.
///
/// # Errors
/// [`CliError::ChecksFailed`] where one of them failed; also when the output fails.
pub fn print(findings: &[Finding], as_json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if as_json {
        output::json(out, &findings)?;
    } else {
        draw(findings, out)?;
    }
    match failures(findings) {
        0 => Ok(()),
        failed => Err(CliError::ChecksFailed { failed, of: findings.len() }),
    }
}

fn draw(findings: &[Finding], out: &mut dyn Write) -> std::io::Result<()> {
    let mut subject = "";
    for finding in findings {
        if finding.subject != subject {
            subject = &finding.subject;
            writeln!(out, "{}", output::plain(subject))?;
        }
        let mark = match finding.verdict {
            Verdict::Passed => '✓',
            Verdict::Warning => '!',
            Verdict::Failed => '✗',
        };
        writeln!(out, "  {mark} {:NAME$} {}", finding.check, output::plain(&finding.said))?;
        if let Some(mend) = &finding.mend {
            writeln!(out, "    {:NAME$} → {}", "", output::plain(mend))?;
        }
    }
    Ok(())
}
