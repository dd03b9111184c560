//! The configuration that a job works with: read from the mirror at an exact commit, never from a folder that
//! somebody's hook could have written to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use secrecy::SecretString;

use super::trouble::Trouble;
use super::{Converger, Task};
use crate::domain::change::{Repository, Sha};
use crate::domain::environment::Environment;
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::ports::{Forge, Git};
use crate::domain::project::ProjectConfig;
use crate::domain::project::load::{self, ProjectReader, ReadError, Request};
use crate::domain::trust::Trust;

/// Configuration files larger than this are refused.
const LARGEST_FILE: u64 = 1024 * 1024;
/// The mode of previews that are not trusted.
const SANDBOX: &str = "sandbox";

/// A configuration and the checkout that its provisioner hooks run in.
pub(super) struct Prepared {
    pub(super) config: ProjectConfig,
    /// The commit whose code runs; `None` when nothing of the project was ever checked out.
    pub(super) commit: Option<Sha>,
    pub(super) project_root: PathBuf,
    /// The project's secrets by name.
    pub(super) secrets: BTreeMap<String, SecretString>,
}

impl Converger {
    /// Fetches `commit`, reads and checks the configuration that rules it, which is its own or, where it is untrusted, the
    /// base branch's, and moves the control checkout there.
    ///
    /// A configuration that cannot be used leaves the control checkout where it was, so that a destroy still knows the
    /// hooks that made what is there.
    pub(super) async fn prepare(&self, task: &Task<'_>, commit: &Sha) -> Result<Prepared, Trouble> {
        let environment = &task.environment;
        let repository = &environment.project.repository;
        // Before anything of it comes near: what is not approved is not even fetched.
        let ruling = match environment.trust {
            Trust::Trusted => commit.clone(),
            Trust::Untrusted => self.approved(task, commit).await?,
        };
        self.fetch(task, commit).await?;
        if ruling != *commit {
            self.fetch(task, &ruling).await?;
        }
        let secrets = self.secrets(environment)?;
        let control = self.workshop.control_checkout(environment);
        let before = self.git.checked_out(repository, &control).await?;
        self.git.checkout(repository, &ruling, &control).await?;
        self.workshop.hand_over(&control).await?;
        match self.load(environment, &ruling, (&secrets, &control)).await {
            Ok(config) => {
                self.environments.rule(&task.claimed.claim, &ruling).await?;
                Ok(Prepared { config, commit: Some(commit.clone()), project_root: control, secrets })
            }
            Err(trouble) => {
                if let Some(before) = before {
                    self.git.checkout(repository, &before, &control).await?;
                    self.workshop.hand_over(&control).await?;
                }
                Err(trouble)
            }
        }
    }

    pub(super) fn forge(&self, repository: &Repository) -> Result<&dyn Forge, PortError> {
        let forge = self.forges.get(&repository.forge).map(|forge| &**forge);
        forge.ok_or_else(|| {
            let message = format!("{} is not configured in the bot's settings", repository.forge);
            PortError::new(ErrorKind::Invalid, message)
        })
    }

    async fn fetch(&self, task: &Task<'_>, commit: &Sha) -> Result<(), PortError> {
        let environment = &task.environment;
        let repository = &environment.project.repository;
        let forge = self.forge(repository)?;
        let token = forge.git_token(repository).await?;
        let fetched =
            self.git.fetch(repository, commit, environment.life, token.as_ref(), &task.cancel.token).await;
        fetched.inspect_err(|error| {
            // A forge says "not found" of what a token may not read.
            if is_withheld(error) {
                forge.forget_git_token(repository);
            }
        })
    }

    /// The project's secrets; for untrusted code each of them is empty, so that what only names one still runs.
    fn secrets(&self, environment: &Environment) -> Result<BTreeMap<String, SecretString>, PortError> {
        let mut secrets = self.workshop.secrets(&environment.project.repository)?;
        if environment.is_untrusted() {
            for value in secrets.values_mut() {
                *value = SecretString::default();
            }
        }
        Ok(secrets)
    }

    async fn load(
        &self,
        environment: &Environment,
        commit: &Sha,
        (secrets, checkout): (&BTreeMap<String, SecretString>, &Path),
    ) -> Result<ProjectConfig, Trouble> {
        let repository = &environment.project.repository;
        let secrets: BTreeSet<String> = secrets.keys().cloned().collect();
        let root = checkout.to_string_lossy();
        let mode = self.workshop.mode(repository, environment.trust_in_force());
        let request = Request { mode, root: &root, secrets: Some(&secrets) };
        let files = self.workshop.project_files(checkout);
        let reader = self.reader(repository, commit);
        let adjust = |policy| self.workshop.policy(repository, policy);
        let mut loaded = load::load_adjusted(&request, &reader, &*files, adjust).await?;
        for warning in &loaded.warnings {
            tracing::warn!(repository = %repository.name, commit = %commit.short(), %warning, "configuration");
        }
        leave_out_proxy(&mut loaded.config);
        Ok(loaded.config)
    }

    fn reader<'a>(&'a self, repository: &'a Repository, commit: &'a Sha) -> MirrorReader<'a> {
        MirrorReader { git: &*self.git, repository, commit }
    }

    /// The commit whose configuration made what is there now, checked out here; it may have been made by another process on
    /// another machine. `None`: nothing was, or nobody has the commit any more.
    async fn ruling(&self, task: &Task<'_>, control: &Path) -> Result<Option<Sha>, Trouble> {
        let environment = &task.environment;
        let repository = &environment.project.repository;
        let here = self.git.checked_out(repository, control).await?;
        let ruling = self.environments.ruling(environment.id).await?;
        let elsewhere = ruling.filter(|ruling| environment.entry.is_some() && here.as_ref() != Some(ruling));
        let Some(ruling) = elsewhere else { return Ok(here) };
        match self.fetch(task, &ruling).await {
            Ok(()) => {}
            // What is there must be taken away all the same: by all means but the project's own.
            Err(error) if is_withheld(&error) => {
                tracing::warn!(environment = %environment.name, commit = %ruling.short(), error = error.chain(),
                    "the configuration that made this preview cannot be read any more");
                return Ok(here);
            }
            Err(error) => return Err(error.into()),
        }
        self.git.checkout(repository, &ruling, control).await?;
        self.workshop.hand_over(control).await?;
        Ok(Some(ruling))
    }

    /// The configuration that made what is there now: that of the control checkout. Without one, an empty
    /// configuration, which knows no hooks.
    pub(super) async fn in_force(&self, task: &Task<'_>) -> Result<Prepared, Trouble> {
        let environment = &task.environment;
        let repository = &environment.project.repository;
        let project_root = self.workshop.control_checkout(environment);
        let trust = environment.trust_in_force();
        let mode = self.workshop.mode(repository, trust);
        let ruling = self.ruling(task, &project_root).await?;
        // Where nothing was made, no hook has anything to undo, and what is checked out may be what could not be used.
        let config = match ruling.as_ref().filter(|_| environment.entry.is_some()) {
            Some(ruling) => {
                let mut config = load::recall(mode, &self.reader(repository, ruling)).await?.config;
                config.preview = self.workshop.policy(repository, config.preview);
                leave_out_proxy(&mut config);
                config
            }
            None => ProjectConfig {
                version: 1,
                name: environment.project.slug.to_string(),
                mode: mode.to_owned(),
                ..ProjectConfig::default()
            },
        };
        let commit = match trust {
            Trust::Trusted => ruling,
            // What is checked out here is the base's; the code is elsewhere.
            Trust::Untrusted => environment.desired.commit().or(environment.published.as_ref()).cloned(),
        };
        Ok(Prepared { config, commit, project_root, secrets: self.secrets(environment)? })
    }
}

/// Whether the forge has something no more, or does not let us read it.
const fn is_withheld(error: &PortError) -> bool {
    matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound)
}

/// In a sandbox there is no generated proxy: it listens on port 80 of the whole host, which one preview alone could have
/// and an account like that of untrusted code may not.
fn leave_out_proxy(config: &mut ProjectConfig) {
    let is_sandbox = config.mode == SANDBOX;
    let compose = config.runner.as_mut().and_then(|runner| runner.compose.as_mut());
    let proxy = compose.and_then(|compose| compose.proxy.as_mut());
    if let Some(proxy) = proxy.filter(|_| is_sandbox) {
        proxy.enabled = Some(false);
    }
}

/// The files of a commit, from the mirror.
struct MirrorReader<'a> {
    git: &'a dyn Git,
    repository: &'a Repository,
    commit: &'a Sha,
}

#[async_trait]
impl ProjectReader for MirrorReader<'_> {
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let read = self.git.read_file(self.repository, self.commit, path, LARGEST_FILE).await;
        read.map_err(|error| match error.kind() {
            // A folder, a link, too large: it is so in this commit for good.
            ErrorKind::Invalid => ReadError::Refused(error.chain()),
            _ => ReadError::Port(error),
        })
    }

    fn whereabouts(&self) -> String {
        format!("at commit {}", self.commit.short())
    }
}
