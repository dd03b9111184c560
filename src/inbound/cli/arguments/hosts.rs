//! Arguments of `hosts` and `doctor`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `hosts`
#[derive(Debug, Args)]
pub struct HostsArguments {
    /// What to do
    #[command(subcommand)]
    pub action: HostsAction,
}

/// What is done with hosts.
#[derive(Debug, Subcommand)]
pub enum HostsAction {
    /// List hosts: how they are and what is on them
    List(ListHostsArguments),
    /// Look at everything that a host needs, and tell how to mend what is missing
    Check(CheckHostsArguments),
    /// Give a host no new previews; those that it has go on
    Drain(HostArguments),
    /// Give a host new previews again
    Undrain(HostArguments),
    /// Pin a machine's key and write the machine to the settings file
    Add(AddHostArguments),
    /// Set a machine up as a host: account, folder, address pools, and rules for untrusted work
    Prepare(PrepareHostArguments),
}

/// `hosts list`
#[derive(Debug, Args)]
pub struct ListHostsArguments {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `hosts check`
#[derive(Debug, Args)]
pub struct CheckHostsArguments {
    /// Names of hosts [default: all]
    pub names: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `hosts drain` and `hosts undrain`
#[derive(Debug, Args)]
pub struct HostArguments {
    /// Name of the host in the settings
    pub name: String,
}

/// `hosts add`
#[derive(Debug, Args)]
pub struct AddHostArguments {
    /// Name of the host: letters, digits, `-`, `_` and `.`
    pub name: String,
    /// Host name or IP address to connect to
    #[arg(long)]
    pub address: String,
    /// SSH port
    #[arg(long, default_value_t = 22)]
    pub port: u16,
    /// Account that the bot logs in to
    #[arg(long, default_value = "preview")]
    pub user: String,
    /// The bot's private key [default: those that ssh finds by itself]
    #[arg(long, value_name = "FILE")]
    pub identity_file: Option<PathBuf>,
    /// File that the machine's key is pinned in [default: `known_hosts` beside the settings file]
    #[arg(long, value_name = "FILE")]
    pub known_hosts_file: Option<PathBuf>,
    /// The machine's fingerprint, compared instead of asking: `ssh-keygen -lf` prints it on its console
    #[arg(long, value_name = "SHA256:…")]
    pub fingerprint: Option<String>,
    /// Host name in links [default: the address]
    #[arg(long, value_name = "NAME")]
    pub public_host: Option<String>,
    /// Folder for previews there [default: /srv/previews]
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Previews at most [default: no limit]
    #[arg(long, value_name = "NUMBER")]
    pub capacity: Option<u32>,
    /// A label that projects choose hosts by; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
}

/// Where previews of a host may open connections to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Egress {
    /// The internet, but no private network and no metadata service
    Public,
    /// Nothing outside
    None,
}

impl Egress {
    /// The word that scripts know it by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::None => "none",
        }
    }
}

/// `hosts prepare`
#[derive(Debug, Args)]
pub struct PrepareHostArguments {
    /// Name of the host in the settings
    pub name: String,
    /// Account to do it as: root, or one that may use sudo without a password [default: that of the settings]
    #[arg(long)]
    pub user: Option<String>,
    /// Private key of that account [default: with --user those that ssh finds by itself, else that of the settings]
    #[arg(long, value_name = "FILE")]
    pub identity_file: Option<PathBuf>,
    /// Print the script instead, to read it and run it as root: … --print | ssh root@vm-1 sh
    #[arg(long, conflicts_with_all = ["user", "identity_file"])]
    pub print: bool,
    /// Where previews may open connections to [default: public for hosts labelled sandbox, else no rules]
    #[arg(long, value_enum)]
    pub egress: Option<Egress>,
    /// Restart docker for new address pools although containers run
    #[arg(long)]
    pub restart_docker: bool,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
