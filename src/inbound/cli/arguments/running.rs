//! Arguments of the commands on environments that run.

use clap::{Args, Subcommand};

use super::TargetArguments;

/// `refresh`
#[derive(Debug, Args)]
pub struct RefreshArguments {
    /// Name of the environment [default: the one that this folder is in]
    pub name: Option<String>,
    /// Only these steps, separated by commas
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only this step and all later ones
    #[arg(long, value_name = "STEP", conflicts_with = "only")]
    pub from: Option<String>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `sync`
#[derive(Debug, Args)]
pub struct SyncArguments {
    /// Name of the environment [default: the one that this folder is in]
    pub name: Option<String>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `step`
#[derive(Debug, Args)]
pub struct StepArguments {
    /// The step
    pub step: String,
    /// Print what it would write or run, and do nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub print: bool,
    /// Print how that differs from what is there, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `store`
#[derive(Debug, Args)]
pub struct StoreArguments {
    /// What to do
    #[command(subcommand)]
    pub action: StoreAction,
}

/// What can be done with an environment's store.
#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// Set values
    Set {
        /// KEY=VALUE, as often as wanted
        #[arg(required = true, value_name = "KEY=VALUE")]
        values: Vec<String>,
        /// Which environment
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Print one value
    Get {
        /// Its key
        key: String,
        /// Which environment
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Print all values
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Which environment
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// `infra`
#[derive(Debug, Args)]
pub struct InfraArguments {
    /// What to do
    #[command(subcommand)]
    pub action: InfraAction,
}

/// What can be done with the infrastructure.
#[derive(Debug, Subcommand)]
pub enum InfraAction {
    /// Start services
    Start(ServicesArguments),
    /// Stop services, keeping their data
    Stop(ServicesArguments),
    /// Restart services
    Restart(ServicesArguments),
    /// Show what runs
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Which environment
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Print what services wrote
    Logs(LogsArguments),
}

/// Some services of the infrastructure.
#[derive(Debug, Args)]
pub struct ServicesArguments {
    /// Only these [default: all]
    pub services: Vec<String>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `service`
#[derive(Debug, Args)]
pub struct ServiceArguments {
    /// What to do
    #[command(subcommand)]
    pub action: ServiceAction,
}

/// What can be done with the application's services.
#[derive(Debug, Subcommand)]
pub enum ServiceAction {
    /// Start a service, now and whenever the environment starts
    Start(OneServiceArguments),
    /// Stop a service, now and until it is started again
    Stop(OneServiceArguments),
    /// Restart a service
    Restart(OneServiceArguments),
    /// List services
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Which environment
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Print what services wrote
    Logs(LogsArguments),
}

/// One service of the application.
#[derive(Debug, Args)]
pub struct OneServiceArguments {
    /// The service
    pub service: String,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `infra logs`, `service logs`
#[derive(Debug, Args)]
pub struct LogsArguments {
    /// Only of these services [default: all]
    pub services: Vec<String>,
    /// Go on printing what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only the last lines of each
    #[arg(long, value_name = "LINES", conflicts_with = "head", num_args = 0..=1, default_missing_value = "50")]
    pub tail: Option<u32>,
    /// Only the first lines
    #[arg(long, value_name = "LINES", conflicts_with = "follow", num_args = 0..=1, default_missing_value = "50")]
    pub head: Option<u32>,
    /// Only what is not older: a time, or a length such as 10m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what is older: a time, or a length such as 10m
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Show times
    #[arg(long, short)]
    pub timestamps: bool,
    /// No colours
    #[arg(long)]
    pub no_color: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `logs`
#[derive(Debug, Args)]
pub struct StepLogsArguments {
    /// Name of the environment [default: the one that this folder is in]
    pub name: Option<String>,
    /// Only of this step
    #[arg(long)]
    pub step: Option<String>,
    /// Go on printing what comes, until nobody works on the environment any more
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}
