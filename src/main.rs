//! The `previewbot` program: parse arguments, run, exit.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    previewbot::app::run(previewbot::inbound::cli::Cli::parse())
}
