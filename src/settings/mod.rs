//! The bot's own configuration: defaults ← `previewbot.toml` ← `PREVIEWBOT__SECTION__KEY` variables.
//!
//! Every value is parsed into the type that its reader needs; unknown keys are errors that name the nearest
//! known one. Relative paths are relative to the file.

mod append;
mod forges;
mod keys;
mod places;
mod preview;
mod sandbox;
mod secrets;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::compose::MIB;
use crate::domain::disk::{DiskTerms, usual_floor};
use crate::domain::trust::Trust;

pub use append::Addition;
pub use forges::{Github, GithubCredentials, Gitlab};
pub use places::{Host, Local, Machines, Mode, Placed, ProjectSettings, RepositoryKey, Urls};
pub use preview::PreviewSettings;
pub use sandbox::Sandbox;
pub use secrets::SecretSource;
pub use server::{Database, DatabaseUrl, Limits, Server, Worker};

/// The file that is read when `--config` names none and it exists.
pub const DEFAULT_FILE: &str = "previewbot.toml";

/// Prefix of environment variables that set a key: `PREVIEWBOT__SERVER__LISTEN`.
pub const ENVIRONMENT_PREFIX: &str = "PREVIEWBOT";

/// Settings that cannot be used, with what to change.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is not there or not readable.
    #[error("settings file {} cannot be read: {message}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A key that no section has.
    #[error("settings: unknown key `{key}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// Full dotted key.
        key: String,
        /// The nearest key that exists.
        nearest: Option<String>,
    },
    /// A value of the wrong form.
    #[error("settings: {0}")]
    Invalid(String),
    /// A secret that is missing, empty or unreadable.
    #[error("settings: {key}: {message}")]
    Secret {
        /// Full dotted key.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Everything that the operator decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Mirrors, control checkouts, previews, logs, the `SQLite` file.
    pub data_dir: PathBuf,
    /// How people reach the bot, without a trailing slash.
    pub public_url: String,
    /// Where to listen.
    pub server: Server,
    /// Where state lives.
    pub database: Database,
    /// GitHub; absent: not served.
    pub github: Option<Github>,
    /// GitLab; absent: not served.
    pub gitlab: Option<Gitlab>,
    /// How work is taken.
    pub worker: Worker,
    /// Bounds.
    pub limits: Limits,
    /// Previews on the bot's own machine.
    pub local: Local,
    /// What published URLs look like.
    pub urls: Urls,
    /// Machines that projects' own hooks make.
    pub machines: Machines,
    /// What services of untrusted previews may take.
    pub sandbox: Sandbox,
    /// Machines that previews are placed on.
    pub hosts: Vec<Host>,
    /// What differs for one project.
    pub projects: Vec<ProjectSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            public_url: "http://127.0.0.1:8080".to_owned(),
            server: Server::default(),
            database: Database::default(),
            github: None,
            gitlab: None,
            worker: Worker::default(),
            limits: Limits::default(),
            local: Local::default(),
            urls: Urls::default(),
            machines: Machines::default(),
            sandbox: Sandbox::default(),
            hosts: Vec::new(),
            projects: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads `file` (or `previewbot.toml` where that exists and none is named) and the given variables.
    ///
    /// # Errors
    /// See [`SettingsError`]: the first thing that is wrong, by its key.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let default = Path::new(DEFAULT_FILE);
        let file = file.or_else(|| default.exists().then_some(default));
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(|error| SettingsError::Unreadable {
                file: file.to_owned(),
                message: error.to_string(),
            })?;
            builder = builder.add_source(config::File::from_str(&text, config::FileFormat::Toml));
        }
        let prefix = format!("{ENVIRONMENT_PREFIX}__");
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect();
        builder = builder.add_source(
            config::Environment::with_prefix(ENVIRONMENT_PREFIX)
                .prefix_separator("__")
                .separator("__")
                .source(Some(ours)),
        );
        let merged = builder.build().map_err(invalid)?;
        let tree: serde_json::Value = merged.clone().try_deserialize().map_err(invalid)?;
        keys::check(&tree)?;
        let mut settings: Self = merged.try_deserialize().map_err(invalid)?;
        let folder = file.and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
        settings.resolve_paths(folder.unwrap_or(Path::new(".")))?;
        settings.check()?;
        Ok(settings)
    }

    /// The same for a command at a terminal: without a settings file, what it keeps lies in the person's own state
    /// folder (`$XDG_STATE_HOME/previewbot`, else `~/.local/state/previewbot`).
    ///
    /// # Errors
    /// As [`Settings::load`]; also when there is neither a file nor a home.
    pub fn load_at_terminal(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
        if file.is_none() && !Path::new(DEFAULT_FILE).exists() {
            let data = match variables.get("PREVIEWBOT__DATA_DIR") {
                Some(data) => data.clone(),
                None => state_folder(&variables)?,
            };
            let url = format!("sqlite://{data}/previewbot.db");
            variables.entry("PREVIEWBOT__DATABASE__URL".to_owned()).or_insert(url);
            variables.insert("PREVIEWBOT__DATA_DIR".to_owned(), data);
        }
        Self::load(file, variables)
    }

    fn resolve_paths(&mut self, folder: &Path) -> Result<(), SettingsError> {
        let folder = std::path::absolute(folder).map_err(|error| SettingsError::Invalid(error.to_string()))?;
        self.data_dir = folder.join(&self.data_dir);
        self.database.resolve(&folder);
        if let Some(github) = &mut self.github {
            github.resolve(&folder);
        }
        for project in &mut self.projects {
            for source in project.secrets.values_mut() {
                source.resolve(&folder);
            }
        }
        self.machines.resolve(&folder);
        for host in &mut self.hosts {
            host.resolve(&folder);
        }
        while self.public_url.ends_with('/') {
            self.public_url.pop();
        }
        Ok(())
    }

    fn check(&self) -> Result<(), SettingsError> {
        if !self.public_url.starts_with("http://") && !self.public_url.starts_with("https://") {
            let message = format!("public_url `{}` must begin with http:// or https://", self.public_url);
            return Err(SettingsError::Invalid(message));
        }
        self.server.check()?;
        self.worker.check()?;
        self.sandbox.check()?;
        for project in &self.projects {
            project.preview.check()?;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            host.check()?;
            if self.hosts[..index].iter().any(|other| other.name == host.name) {
                return Err(SettingsError::Invalid(format!("two [[hosts]] are called `{}`", host.name)));
            }
        }
        self.urls.check()
    }

    /// What the settings say about one repository; the last entry that names it wins.
    #[must_use]
    pub fn project(&self, repository: &crate::domain::change::Repository) -> Option<&ProjectSettings> {
        self.projects.iter().rev().find(|project| project.repository.names(repository))
    }

    /// Whether there are hosts for untrusted code.
    #[must_use]
    pub fn has_sandbox(&self) -> bool {
        self.hosts.iter().any(|host| crate::domain::host::is_sandbox(&host.labels))
    }

    /// Bytes of a host's disk, which has so many, that stay free.
    #[must_use]
    pub fn disk_floor(&self, host: &Host, size: Option<u64>) -> u64 {
        self.set_disk_floor(host).unwrap_or_else(|| usual_floor(size))
    }

    /// The same as it was set; `None`: it follows the size.
    #[must_use]
    pub fn set_disk_floor(&self, host: &Host) -> Option<u64> {
        let set = host.disk_floor_mb.or(self.limits.disk_floor_mb);
        set.map(|megabytes| megabytes.saturating_mul(MIB))
    }

    /// What a preview of this repository, of this trust, may use of its host's disk.
    #[must_use]
    pub fn disk_terms(&self, repository: &crate::domain::change::Repository, trust: Trust) -> DiskTerms {
        if trust == Trust::Untrusted || self.placement(repository) == Placed::In(Mode::Sandbox) {
            return self.sandbox.disk_terms();
        }
        DiskTerms { allowed: self.limits.disk_mb.saturating_mul(MIB), trusted: true }
    }

    /// Whether a project's previews run on the bot's own machine.
    #[must_use]
    pub fn runs_here(&self) -> bool {
        self.projects.iter().any(|project| project.mode == Some(Mode::Local))
    }

    /// Where previews of this repository may be placed.
    #[must_use]
    pub fn placement(&self, repository: &crate::domain::change::Repository) -> Placed {
        places::placement(self.project(repository), &self.hosts)
    }
}

/// Where a person's own state lies (XDG Base Directory Specification; a relative path there counts as unset).
fn state_folder(variables: &BTreeMap<String, String>) -> Result<String, SettingsError> {
    let set = |name: &str| variables.get(name).filter(|value| value.starts_with('/'));
    let base = set("XDG_STATE_HOME").cloned().or_else(|| set("HOME").map(|home| format!("{home}/.local/state")));
    let base = base.ok_or_else(|| {
        SettingsError::Invalid("there is no HOME to keep state in: name a settings file with --config".to_owned())
    })?;
    Ok(format!("{}/previewbot", base.trim_end_matches('/')))
}

#[expect(clippy::needless_pass_by_value, reason = "goes into map_err as it is")]
fn invalid(error: config::ConfigError) -> SettingsError {
    SettingsError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests;
