//! The tree of commands and their arguments.

mod bot;
mod core;
mod hosts;
mod running;
mod target;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use bot::{
    DeliverArguments, DemoArguments, DemoSiteArguments, ExplainArguments, JobsArguments, ListArguments,
    StatusArguments, StatusFormat, VetArguments,
};
pub use core::{
    CleanArguments, CompletionsArguments, CoreAction, CoreArguments, CreateArguments, DeleteArguments,
    ExportArguments, ImportArguments, ManArguments, RunArguments, RunPhase, SshArguments, StepsArguments,
};
pub use hosts::{
    AddHostArguments, CheckHostsArguments, DoctorArguments, Egress, HostArguments, HostsAction, HostsArguments,
    ListHostsArguments, PrepareHostArguments,
};
pub use running::{
    InfraAction, InfraArguments, LogsArguments, OneServiceArguments, RefreshArguments, ServiceAction,
    ServiceArguments, ServicesArguments, StepArguments, StepLogsArguments, StoreAction, StoreArguments,
    SyncArguments,
};
pub use target::TargetArguments;

/// A self-hosted bot that gives every pull request a running preview on your own machines.
#[derive(Debug, Parser)]
#[command(name = "previewbot", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Settings file [default: previewbot.toml where it exists]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Log as JSON lines instead of text for people
    #[arg(long, global = true, env = "PREVIEWBOT_LOG_JSON")]
    pub log_json: bool,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the configuration has problems, \
    4 there is no such environment, 5 somebody else works on it, 130 interrupted.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive webhooks and make previews until told to stop
    Serve,
    /// Play a pull request's whole life on this machine, with a built-in stand-in for GitHub
    Demo(DemoArguments),
    /// The demo's sample application
    #[command(hide = true)]
    DemoSite(DemoSiteArguments),
    /// Tell what a webhook delivery means and what is decided about it
    Explain(ExplainArguments),
    /// Sign a payload file and send it to a running bot
    Deliver(DeliverArguments),
    /// List previews
    List(ListArguments),
    /// Show one preview
    Status(StatusArguments),
    /// List jobs, newest first
    Jobs(JobsArguments),
    /// The machines that previews are placed on
    Hosts(HostsArguments),
    /// Look at everything that the bot needs, and tell how to mend what is missing
    Doctor(DoctorArguments),
    /// Check a project's configuration and tell all that is wrong with it
    Vet(VetArguments),
    /// Make an environment of the project in this folder, or bring one up to date
    Create(CreateArguments),
    /// Remove an environment and all that was made for it
    Delete(DeleteArguments),
    /// Show the steps of an environment and what became of them
    Steps(StepsArguments),
    /// Run one step by itself, or show what it would do
    Step(StepArguments),
    /// Run the steps of the run phase again
    Refresh(RefreshArguments),
    /// Bring running services to the present configuration
    Sync(SyncArguments),
    /// Run one phase by itself
    Run(RunArguments),
    /// Run a hook of a provisioner service: init, seed, reset or destroy
    Core(CoreArguments),
    /// Start, stop and look at the infrastructure
    Infra(InfraArguments),
    /// Start, stop and look at the application's services
    Service(ServiceArguments),
    /// Values that an environment keeps for its templates and hooks
    Store(StoreArguments),
    /// Print what the hooks of an environment printed
    Logs(StepLogsArguments),
    /// Open a shell in an environment, or run a command there
    Ssh(SshArguments),
    /// Remove what lost environments left behind
    Clean(CleanArguments),
    /// Take environments over from the Go tool's state file
    Import(ImportArguments),
    /// Write environments as the Go tool's state file
    Export(ExportArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// Write manual pages
    Man(ManArguments),
}

impl Command {
    /// Whether it is about environments that people make at a terminal.
    #[must_use]
    pub const fn is_of_terminal(&self) -> bool {
        matches!(
            self,
            Self::Create(_)
                | Self::Delete(_)
                | Self::Steps(_)
                | Self::Run(_)
                | Self::Core(_)
                | Self::Step(_)
                | Self::Refresh(_)
                | Self::Sync(_)
                | Self::Infra(_)
                | Self::Service(_)
                | Self::Store(_)
                | Self::Logs(_)
                | Self::Ssh(_)
                | Self::Clean(_)
                | Self::Import(_)
                | Self::Export(_)
        )
    }
}
