use std::path::PathBuf;

use clap::Args;

/// Which environment of which project a command is about.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Environment")]
pub struct TargetArguments {
    /// Name of the environment, where it is not given as an argument
    #[arg(long = "env", short = 'e', value_name = "NAME")]
    pub environment: Option<String>,
    /// Mode: which overlay `previewctl.<mode>.yaml` applies [default: the environment's own, else local]
    #[arg(long, short)]
    pub mode: Option<String>,
    /// Folder of the project, or one inside it
    #[arg(long, short = 'C', value_name = "FOLDER")]
    pub directory: Option<PathBuf>,
    /// More files with variables, separated by commas; read after `.env` and `.env.previewctl`
    #[arg(long, value_name = "FILES")]
    pub env_file: Option<String>,
    /// Plain lines instead of live progress; also where CI is set or there is no terminal
    #[arg(long)]
    pub ci: bool,
}
