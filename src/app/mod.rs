//! The composition root: the only place that knows every room. Settings become adapters, adapters become a bot.

pub mod bot;
mod commands;
mod demo;
mod doctor;
mod folders;
mod hosts;
mod terminal;
mod users;
mod workshop;

use std::process::ExitCode;

use crate::inbound::cli::{Cli, Command};
use crate::{lifecycle, telemetry};

/// Runs one command line to its exit code.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let level = match cli.command {
        Command::Serve => "info",
        _ => "warn",
    };
    telemetry::start(cli.log_json, level);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return lifecycle::exit_code(Err(error.into()), commands::exit_code),
    };
    let result = runtime.block_on(commands::run(cli));
    if let Some(code) = result.as_ref().err().and_then(commands::show_problems) {
        return code;
    }
    lifecycle::exit_code(result, commands::exit_code)
}
