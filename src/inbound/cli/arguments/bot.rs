//! Arguments of the bot's own commands.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::TargetArguments;
use crate::domain::job::JobState;

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

/// How `status` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// For people
    Text,
    /// A table of links for a comment
    Markdown,
    /// For programs
    Json,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Environment name, such as `pr-42` [default: the environment that this folder is in]
    pub name: Option<String>,
    /// Project, where several have an environment of that name
    #[arg(long)]
    pub project: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = StatusFormat::Text)]
    pub format: StatusFormat,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `vet`
#[derive(Debug, Args)]
pub struct VetArguments {
    /// Folder to look for previewctl.yaml from, upwards [default: the working directory]
    pub project: Option<PathBuf>,
    /// Which overlay applies: previewctl.MODE.yaml
    #[arg(long, short, default_value = "local")]
    pub mode: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Fail on warnings too
    #[arg(long)]
    pub strict: bool,
}

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArguments {
    /// Only of this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only in this state; may be given several times
    #[arg(long, value_name = "STATE")]
    pub state: Vec<JobState>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    pub limit: i64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
