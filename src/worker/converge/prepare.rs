//! The configuration that a job works with: read from the mirror at an exact commit, never from a folder that
//! somebody's hook could have written to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::trouble::Trouble;
use super::{Converger, Task};
use crate::domain::change::{Repository, Sha};
use crate::domain::compose;
use crate::domain::environment::Environment;
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::project::overlay::{self, BASE_FILE};
use crate::domain::project::parse::ConfigError;
use crate::domain::project::{ProjectConfig, validate};

/// Configuration files larger than this are refused.
const LARGEST_FILE: u64 = 1024 * 1024;

/// A configuration and the checkout that its provisioner hooks run in.
pub(super) struct Prepared {
    pub(super) config: ProjectConfig,
    /// `None` when nothing of the project was ever checked out.
    pub(super) commit: Option<Sha>,
    pub(super) project_root: PathBuf,
    /// The project's secrets by name.
    pub(super) secrets: BTreeMap<String, SecretString>,
}

impl Converger {
    /// Fetches `commit`, reads and checks its configuration, and moves the control checkout to it.
    ///
    /// A configuration that cannot be used leaves the control checkout where it was, so that a destroy still knows the
    /// hooks that made what is there.
    pub(super) async fn prepare(&self, task: &Task<'_>, commit: &Sha) -> Result<Prepared, Trouble> {
        let environment = &task.environment;
        let repository = &environment.project.repository;
        let forge = self.forges.get(&repository.forge).ok_or_else(|| {
            let message = format!("{} is not configured in the bot's settings", repository.forge);
            PortError::new(ErrorKind::Invalid, message)
        })?;
        // First of all: nothing may change under hooks that still run for another commit.
        self.workshop.take_over(task.claimed, environment, Some(commit)).await?;
        let token = forge.git_token(repository).await?;
        let fetched =
            self.git.fetch(repository, commit, environment.life, token.as_ref(), &task.cancel.token).await;
        fetched.inspect_err(|error| {
            // A forge says "not found" of what a token may not read.
            if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) {
                forge.forget_git_token(repository);
            }
        })?;
        let config = self.read_config(repository, commit).await?;
        let control = self.workshop.control_checkout(environment);
        let before = self.git.checked_out(repository, &control).await?;
        self.git.checkout(repository, commit, &control).await?;
        self.workshop.hand_over(&control).await?;
        let secrets = self.workshop.secrets(repository)?;
        let problems = self.problems(&config, &secrets, &control);
        if !problems.is_empty() {
            if let Some(before) = before {
                self.git.checkout(repository, &before, &control).await?;
                self.workshop.hand_over(&control).await?;
            }
            return Err(Trouble::Problems(problems));
        }
        Ok(Prepared { config, commit: Some(commit.clone()), project_root: control, secrets })
    }

    fn problems(
        &self,
        config: &ProjectConfig,
        secrets: &BTreeMap<String, SecretString>,
        checkout: &Path,
    ) -> Vec<validate::ValidationError> {
        let mut problems = validate::validate_with_secrets(config, &secrets.keys().cloned().collect());
        let files = self.workshop.project_files(checkout);
        problems.extend(validate::validate_files(config, &checkout.to_string_lossy(), &*files));
        problems
    }

    /// The configuration that made what is there now: that of the control checkout. Without one, an empty
    /// configuration, which knows no hooks.
    pub(super) async fn in_force(&self, environment: &Environment) -> Result<Prepared, Trouble> {
        let repository = &environment.project.repository;
        let project_root = self.workshop.control_checkout(environment);
        let commit = self.git.checked_out(repository, &project_root).await?;
        let config = match &commit {
            Some(commit) => self.read_config(repository, commit).await?,
            None => ProjectConfig {
                version: 1,
                name: environment.project.slug.to_string(),
                mode: self.workshop.mode(repository).to_owned(),
                ..ProjectConfig::default()
            },
        };
        Ok(Prepared { config, commit, project_root, secrets: self.workshop.secrets(repository)? })
    }

    async fn read_config(&self, repository: &Repository, commit: &Sha) -> Result<ProjectConfig, Trouble> {
        let mode = self.workshop.mode(repository);
        let mut files = BTreeMap::new();
        for name in overlay::overlay_files(mode)?.into_iter().chain([BASE_FILE.to_owned()]) {
            files.insert(name.clone(), self.read_text(repository, commit, &name).await?);
        }
        if files.get(BASE_FILE).is_none_or(Option::is_none) {
            return Err(missing_config(commit).into());
        }
        let mut config = overlay::load(mode, &mut |name| Ok(files.get(name).cloned().flatten()))?;
        if let Some(infrastructure) = &mut config.infrastructure
            && let Some(text) = self.read_text(repository, commit, &infrastructure.compose_file).await?
        {
            infrastructure.services = compose::parse_infrastructure(&text)
                .map_err(|error| Trouble::Compose { file: infrastructure.compose_file.clone(), error })?;
        }
        Ok(config)
    }

    async fn read_text(
        &self,
        repository: &Repository,
        commit: &Sha,
        path: &str,
    ) -> Result<Option<String>, Trouble> {
        if path.is_empty() {
            return Ok(None);
        }
        let Some(bytes) = self.git.read_file(repository, commit, path, LARGEST_FILE).await? else {
            return Ok(None);
        };
        let text = String::from_utf8(bytes).map_err(|_| ConfigError {
            kind: "yaml",
            file: path.to_owned(),
            line: None,
            column: None,
            message: "the file is not UTF-8 text".to_owned(),
        })?;
        Ok(Some(text))
    }
}

fn missing_config(commit: &Sha) -> ConfigError {
    ConfigError {
        kind: "missing_file",
        file: BASE_FILE.to_owned(),
        line: None,
        column: None,
        message: format!("the file does not exist at commit {}; add it at the repository's root", commit.short()),
    }
}
