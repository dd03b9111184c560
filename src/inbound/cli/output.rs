//! What commands share when they print.

use std::io::{self, Write};

use serde::Serialize;

use crate::domain::cwd::CwdError;
use crate::domain::error::{ErrorKind, PortError};
use crate::manager::ManagerError;

/// A command that could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The store or another port failed.
    #[error("{}", .0.chain())]
    Port(#[from] PortError),
    /// Nothing can be printed.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    /// What was asked for is not there, or not clear; the sentence says what to do.
    #[error("{0}")]
    Asked(String),
    /// The Manager failed.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The configuration has problems, which were shown.
    #[error("the configuration in {0} did not pass")]
    NotPassed(String),
    /// Not all is as it must be, which was shown.
    #[error("{failed} of {of} checks failed")]
    ChecksFailed {
        /// How many.
        failed: usize,
        /// Of how many.
        of: usize,
    },
    /// There is no environment of this name.
    #[error(
        "there is no environment `{0}` in this project; `previewbot list` shows them, `previewbot create {0}` makes it"
    )]
    NoEnvironment(String),
    /// No environment was named, and the working directory tells none.
    #[error("name the environment, as an argument or with --env: {0}")]
    Unnamed(#[from] CwdError),
}

/// A command was ended by a signal.
const INTERRUPTED: u8 = 130;

impl CliError {
    /// The process's exit code for it, as the help text lists them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoEnvironment(_) | Self::Manager(ManagerError::UnknownEnvironment(_)) => 4,
            Self::Manager(error) if error.is_cancelled() => INTERRUPTED,
            Self::Port(error) => port_exit_code(error),
            Self::Unnamed(_) => 2,
            Self::NotPassed(_) => 3,
            _ => 1,
        }
    }
}

/// The exit code for a port's failure that no command dressed up.
#[must_use]
pub fn port_exit_code(error: &PortError) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => 4,
        ErrorKind::Conflict => 5,
        ErrorKind::Cancelled => INTERRUPTED,
        _ => 1,
    }
}

/// One value as indented JSON with a line break at the end.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), CliError> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

/// Milliseconds since the epoch as RFC 3339, to the second.
pub(super) fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Text that came from outside, safe for a terminal: control characters are shown, never sent.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A table with columns as wide as their widest cell.
pub(super) fn table(out: &mut dyn Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width + 2 - cell.chars().count().min(*width)));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(header.to_vec())?;
    rows.iter().try_for_each(|row| line(row.iter().map(String::as_str).collect()))
}
