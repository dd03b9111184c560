//! Completion scripts and manual pages, made from the tree of commands itself.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use super::output::CliError;

/// Prints a completion script.
pub fn completions(shell: Shell, out: &mut dyn Write) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "previewbot", &mut script);
    // A reader that goes away early has what it wanted.
    let _ = out.write_all(&script);
}

/// Writes a manual page for every command into a folder, or prints the main one.
///
/// # Errors
/// When the folder or a page cannot be written.
pub fn pages(folder: Option<&Path>, out: &mut dyn Write) -> Result<(), CliError> {
    match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            Ok(clap_mangen::generate_to(Cli::command(), folder)?)
        }
        None => Ok(clap_mangen::Man::new(Cli::command()).render(&mut &mut *out)?),
    }
}
