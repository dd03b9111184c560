//! The command line: the tree of commands, and one file for what each prints. Who builds the ports that a command
//! needs is the composition root's business.

pub mod deliver;
pub mod explain;
pub mod jobs;
pub mod list;
mod output;
pub mod status;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use output::CliError;

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

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage.";

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
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// End after the last step instead of leaving everything up to look at
    #[arg(long)]
    pub once: bool,
}

/// `demo-site`
#[derive(Debug, Args)]
pub struct DemoSiteArguments {
    /// Address to listen on
    #[arg(long)]
    pub listen: SocketAddr,
    /// Folder with the page
    #[arg(long)]
    pub root: PathBuf,
    /// File with the notes
    #[arg(long)]
    pub notes: PathBuf,
}

/// `explain`
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub struct ExplainArguments {
    /// Id of a stored delivery
    #[arg(group = "what", conflicts_with_all = ["event", "payload"])]
    pub delivery: Option<String>,
    /// The forge's event name of a payload file, such as `pull_request`
    #[arg(long, group = "what", requires = "payload")]
    pub event: Option<String>,
    /// Payload file
    #[arg(long, group = "what", requires = "event", value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `deliver`
#[derive(Debug, Args)]
pub struct DeliverArguments {
    /// The forge's event name, such as `pull_request`
    #[arg(long)]
    pub event: String,
    /// Payload file
    #[arg(long, value_name = "FILE")]
    pub payload: PathBuf,
    /// Where the bot listens [default: /webhooks/github at server.listen]
    #[arg(long)]
    pub url: Option<String>,
    /// Delivery id; the same id again is a redelivery [default: a new one]
    #[arg(long)]
    pub id: Option<String>,
}

/// `list`
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Also those that are destroyed
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Environment name, such as `pr-42`
    pub name: String,
    /// Project, where several have an environment of that name
    #[arg(long)]
    pub project: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArguments {
    /// Only of this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only in this state; may be given several times
    #[arg(long, value_name = "STATE")]
    pub state: Vec<crate::domain::job::JobState>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    pub limit: i64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
