//! Arguments of the commands on environments that people make at a terminal.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::TargetArguments;

/// `create`
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// Name of the environment
    pub name: Option<String>,
    /// Branch of its worktree; made when there is none [default: the name]
    #[arg(long, short)]
    pub branch: Option<String>,
    /// What a new branch begins at [default: the present commit]
    #[arg(long, value_name = "BRANCH")]
    pub base: Option<String>,
    /// Use this worktree of yours instead of making one; it stays yours
    #[arg(long, short, value_name = "FOLDER", conflicts_with_all = ["branch", "base"])]
    pub worktree: Option<PathBuf>,
    /// Run this step and all later ones again
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// Run every step, finished or not
    #[arg(long)]
    pub no_cache: bool,
    /// Print what would be done and why, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `delete`
#[derive(Debug, Args)]
pub struct DeleteArguments {
    /// Name of the environment [default: the one that this folder is in]
    pub name: Option<String>,
    /// Also when its worktree has changes that are not committed
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `steps`
#[derive(Debug, Args)]
pub struct StepsArguments {
    /// Name of the environment [default: the one that this folder is in]
    pub name: Option<String>,
    /// Everything that ever happened to them
    #[arg(long)]
    pub audit: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Which phase
    #[command(subcommand)]
    pub phase: RunPhase,
}

/// The phases.
#[derive(Debug, Subcommand)]
pub enum RunPhase {
    /// Decide where things run and what values exist, and write the manifest
    Provision {
        /// Name of the environment [default: the one that this folder is in]
        name: Option<String>,
        /// Branch of its worktree [default: the name]
        #[arg(long, short)]
        branch: Option<String>,
        /// What a new branch begins at
        #[arg(long, value_name = "BRANCH")]
        base: Option<String>,
        /// Run this step and all later ones again
        #[arg(long, value_name = "STEP")]
        from: Option<String>,
        /// Run every step, finished or not
        #[arg(long)]
        no_cache: bool,
        /// Which environment
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Make it run from its manifest alone: every step runs, nothing is stored
    Runner {
        /// The manifest
        #[arg(long, value_name = "FILE", default_value = ".previewctl.json")]
        manifest: PathBuf,
        /// Begin at this step
        #[arg(long, value_name = "STEP")]
        from: Option<String>,
        /// Accepted for scripts; every step runs anyway
        #[arg(long)]
        no_cache: bool,
        /// Which environment
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// The hooks of a provisioner service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CoreAction {
    /// Once per project and machine
    Init,
    /// Once per environment
    Seed,
    /// Back to the seed
    Reset,
    /// Remove the environment's data
    Destroy,
}

/// `core`
#[derive(Debug, Args)]
pub struct CoreArguments {
    /// Provisioner service
    pub service: String,
    /// Which hook
    pub action: CoreAction,
    /// Leave running services alone when a reset changed what they use
    #[arg(long)]
    pub no_propagate: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `ssh`
#[derive(Debug, Args)]
pub struct SshArguments {
    /// Name of the environment [default: the one that this folder is in]
    pub name: Option<String>,
    /// A command to run instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `clean`
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Remove without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `import`
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The Go tool's state file [default: ~/.cache/previewctl/PROJECT/state.json]
    pub file: Option<PathBuf>,
    /// Only say what would be taken over
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `export`
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Where to write it; `-`: standard output [default: ~/.cache/previewctl/PROJECT/state.json]
    pub file: Option<PathBuf>,
    /// Replace the environments of a file that is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: Shell,
}

/// `man`
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Folder to write the pages to; without it, the main page is printed
    pub folder: Option<PathBuf>,
}
