//! Where previews may live: `[local]`, `[urls]`, `[[hosts]]`, `[[projects]]`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;
use serde::Deserialize;

use super::preview::PreviewSettings;
use super::{SecretSource, SettingsError};
use crate::domain::change::{ForgeKind, RepoName, Repository};
use crate::domain::host::is_sandbox;

/// `[local]`: previews on the bot's own machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Local {
    /// Host name in published URLs.
    pub public_host: String,
    /// Address that published ports listen on.
    pub bind: IpAddr,
    /// User that hooks run as when the bot is root.
    pub run_as: Option<String>,
}

impl Default for Local {
    fn default() -> Self {
        Self { public_host: "localhost".to_owned(), bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED), run_as: None }
    }
}

/// `[urls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Urls {
    /// `{host}`, `{port}`, `{env}`, `{service}` and `{slug}` may be used.
    pub template: String,
}

impl Default for Urls {
    fn default() -> Self {
        Self { template: "http://{host}:{port}".to_owned() }
    }
}

impl Urls {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        const KNOWN: [&str; 5] = ["host", "port", "env", "service", "slug"];
        let mut rest = self.template.as_str();
        while let Some((_, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            if !KNOWN.contains(&name) {
                let message =
                    format!("urls.template: {{{name}}} is not known; use one of {{{}}}", KNOWN.join("}, {"));
                return Err(SettingsError::Invalid(message));
            }
            rest = tail;
        }
        Ok(())
    }
}

/// `[machines]`: machines that projects' own hooks make.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machines {
    /// Private key.
    pub identity_file: Option<PathBuf>,
    /// Pinned host keys, for machines whose create hook prints no `SSH_HOST_KEY`.
    pub known_hosts_file: Option<PathBuf>,
    /// Whether `provisioner.compute.ssh` of a project may name programs and keys of the bot's machine.
    pub from_projects: bool,
}

impl Machines {
    pub(super) fn resolve(&mut self, folder: &Path) {
        for file in [&mut self.identity_file, &mut self.known_hosts_file].into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }
}

/// `[[hosts]]`: a machine that previews are placed on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Unique name.
    pub name: String,
    /// Address to connect to.
    pub address: String,
    /// SSH port.
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// Account.
    pub user: String,
    /// Private key.
    pub identity_file: Option<PathBuf>,
    /// Pinned host keys.
    pub known_hosts_file: Option<PathBuf>,
    /// Host name in published URLs; default: the address.
    pub public_host: Option<String>,
    /// Address that published ports listen on.
    pub bind: Option<IpAddr>,
    /// Folder for previews.
    pub root: Option<PathBuf>,
    /// Environments at most.
    pub capacity: Option<u32>,
    /// Disk that stays free, in MiB; default: `limits.disk_floor_mb`.
    pub disk_floor_mb: Option<u64>,
    /// Labels that projects choose hosts by.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// Where previews lie on a host that names no folder.
const DEFAULT_ROOT: &str = "/srv/previews";

impl Host {
    /// Folder above all environments of the host.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.root.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_ROOT))
    }

    /// What people reach the host by.
    #[must_use]
    pub fn public_host(&self) -> &str {
        self.public_host.as_deref().unwrap_or(&self.address)
    }

    /// Address that published ports listen on.
    #[must_use]
    pub fn bind(&self) -> IpAddr {
        self.bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for file in [&mut self.identity_file, &mut self.known_hosts_file].into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }

    /// What would be misread by a shell, by ssh or by git is refused here, where the operator reads it.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let root = self.root();
        let root = root.to_string_lossy();
        let wrong = if !plain(&self.name, "-_.") || self.name == LOCAL_NAME {
            Some(("name", "letters, digits, `-`, `_` and `.`, and not `local`"))
        } else if !plain(&self.address, "-_.:") {
            Some(("address", "a host name or an IP address"))
        } else if !plain(&self.user, "-_.") {
            Some(("user", "the name of an account"))
        } else if !root.starts_with('/') || root.split('/').any(|part| part == "..") || !plain(&root, "-_./") {
            Some(("root", "an absolute path of letters, digits, `-`, `_`, `.` and `/`"))
        } else {
            None
        };
        match wrong {
            None => Ok(()),
            Some((key, must)) => {
                let message = format!("hosts.{key} of host `{}` must be {must}", self.name.escape_debug());
                Err(SettingsError::Invalid(message))
            }
        }
    }
}

/// The bot's own machine, as a host's name.
const LOCAL_NAME: &str = "local";

const fn ssh_port() -> u16 {
    22
}

/// Where a project's previews are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The bot's own machine.
    Local,
    /// The pool of hosts.
    Preview,
    /// Hosts for untrusted work.
    Sandbox,
}

impl Mode {
    /// The word in files and settings; names the overlay.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Preview => "preview",
            Self::Sandbox => "sandbox",
        }
    }
}

/// `github:acme/shop`: a repository as the operator names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RepositoryKey {
    forge: ForgeKind,
    name: RepoName,
}

impl RepositoryKey {
    /// Whether this is that repository. Forges treat names without regard to case.
    #[must_use]
    pub fn names(&self, repository: &Repository) -> bool {
        self.forge == repository.forge && self.name.as_str().eq_ignore_ascii_case(repository.name.as_str())
    }
}

impl TryFrom<String> for RepositoryKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some((forge, name)) = text.split_once(':') else {
            return Err(format!("projects.repository `{text}` must be github:owner/name or gitlab:group/name"));
        };
        let forge = ForgeKind::from_str(forge).map_err(|error| error.to_string())?;
        if forge == ForgeKind::Folder {
            return Err(format!("projects.repository `{text}`: a folder has no settings of its own"));
        }
        let name = name.parse().map_err(|error: crate::domain::change::NameError| error.to_string())?;
        Ok(Self { forge, name })
    }
}

/// `[[projects]]`: what differs for one project.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectSettings {
    /// Which repository.
    pub repository: RepositoryKey,
    /// Where its previews are placed; absent: `preview` where hosts exist, else nowhere.
    pub mode: Option<Mode>,
    /// Labels of hosts to use.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Logins of bots whose changes of the repository itself are the team's own, `renovate[bot]`.
    #[serde(default)]
    pub trusted_bots: Vec<String>,
    /// What holds instead of the repository's own `preview:` block.
    #[serde(default)]
    pub preview: PreviewSettings,
    /// Secrets by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
}

impl ProjectSettings {
    /// Reads the project's secrets.
    ///
    /// # Errors
    /// [`SettingsError::Secret`] for the first that is missing, or whose name is no variable name.
    pub fn read_secrets(&self) -> Result<BTreeMap<String, SecretString>, SettingsError> {
        let legal = |name: &str| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
                && !name.starts_with("PREVIEWCTL_")
                && !name.starts_with("PREVIEWBOT_")
        };
        let read = |(name, source): (&String, &SecretSource)| {
            let key = format!("projects.secrets.{name}");
            if !legal(name) {
                let message = "is no name for a variable, or one that belongs to the bot".to_owned();
                return Err(SettingsError::Secret { key, message });
            }
            Ok((name.clone(), source.read(&key)?))
        };
        self.secrets.iter().map(read).collect()
    }
}

/// Where the settings place a repository's previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// In this mode.
    In(Mode),
    /// Nowhere: what the operator must do.
    Nowhere(String),
}

pub(super) fn placement(project: Option<&ProjectSettings>, hosts: &[Host]) -> Placed {
    match project.and_then(|p| p.mode) {
        Some(Mode::Local) => Placed::In(Mode::Local),
        None if hosts.is_empty() => Placed::Nowhere(NO_PLACEMENT.to_owned()),
        Some(Mode::Preview) if hosts.is_empty() => Placed::Nowhere(NO_HOSTS.to_owned()),
        Some(Mode::Sandbox) if !hosts.iter().any(|host| is_sandbox(&host.labels)) => {
            Placed::Nowhere(NO_SANDBOX.to_owned())
        }
        Some(Mode::Sandbox) => Placed::In(Mode::Sandbox),
        Some(Mode::Preview) | None => Placed::In(Mode::Preview),
    }
}

const NO_PLACEMENT: &str = "no place was chosen for this project's previews: in the bot's settings add a [[projects]] \
    entry for the repository with mode = \"local\" to run them on the bot's own machine, or add [[hosts]]";
const NO_HOSTS: &str = "mode = \"preview\" needs hosts: add [[hosts]] to the bot's settings";
const NO_SANDBOX: &str = "mode = \"sandbox\" needs hosts for untrusted work: add [[hosts]] with the label \"sandbox\" to \
    the bot's settings";
