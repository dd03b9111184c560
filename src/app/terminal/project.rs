//! The project that a command at a terminal is about: its folder, its variables, its configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use secrecy::SecretString;

use crate::domain::dotenv;
use crate::domain::project::load::{self, LoadError, Request};
use crate::domain::project::overlay::BASE_FILE;
use crate::domain::project::{ProjectConfig, template};
use crate::inbound::cli::arguments::TargetArguments;
use crate::outbound::compute::main_worktree;
use crate::outbound::project_folder::ProjectFolder;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// A project as it lies on disk.
#[derive(Debug, Clone)]
pub(super) struct LocalProject {
    /// Where `previewctl.yaml` was found: hooks of the provisioner run here.
    pub(super) root: PathBuf,
    /// What the project is known by: the main worktree's folder, whichever worktree the command was given in.
    pub(super) identity: PathBuf,
    /// Where the command was given.
    pub(super) at: PathBuf,
    /// The process's variables and those of the env files.
    pub(super) variables: Variables,
}

impl LocalProject {
    /// Looks upwards from the working directory (or `--directory`) for `previewctl.yaml`, and reads the env files.
    pub(super) async fn find(target: &TargetArguments) -> anyhow::Result<Self> {
        let at = target.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        let at = at.canonicalize().with_context(|| format!("there is no folder {}", at.display()))?;
        let variables = variables(&at, target.env_file.as_deref())?;
        let found = ProjectFolder::find(&at).context("go to the project's folder, or name it with -C")?;
        let root = found.root().to_owned();
        let identity = identity(&root).await;
        Ok(Self { root, identity, at, variables })
    }

    /// The configuration in this mode, checked as a whole.
    pub(super) async fn config(&self, mode: &str) -> Result<ProjectConfig, LoadError> {
        let folder = ProjectFolder::at(&self.root);
        // Which secrets there are is told where their values are needed.
        let request = Request { mode, root: &self.root.to_string_lossy(), secrets: None };
        Ok(load::load(&request, &folder, &folder).await?.config)
    }

    /// The configuration for taking down what it made: whatever a newer check would say, it is read if it can be.
    pub(super) async fn recalled(&self, mode: &str) -> Result<ProjectConfig, LoadError> {
        Ok(load::recall(mode, &ProjectFolder::at(&self.root)).await?.config)
    }

    /// The values behind the configuration's `{{secrets.NAME}}`: variables of these names.
    pub(super) fn secrets(&self, config: &ProjectConfig) -> anyhow::Result<BTreeMap<String, SecretString>> {
        let values = config.services.values().flat_map(|service| &service.env).flat_map(BTreeMap::values);
        let names = values.flat_map(|value| template::secret_names(value));
        names
            .map(|name| match self.variables.get(name) {
                Some(value) => Ok((name.to_owned(), SecretString::from(value.clone()))),
                None => bail!(
                    "secret {name} is not known here: set a variable of this name, or put it into .env.previewctl"
                ),
            })
            .collect()
    }
}

/// A linked worktree belongs to the project of the main one, where that has a configuration too.
async fn identity(root: &Path) -> PathBuf {
    match main_worktree(root).await {
        Some(main) if main.join(BASE_FILE).exists() => main,
        _ => root.to_owned(),
    }
}

/// What the process has wins over what files say.
fn variables(at: &Path, extra: Option<&str>) -> anyhow::Result<Variables> {
    let own = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables: Variables = own.collect();
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let mut read = |file: &str| match std::fs::read_to_string(at.join(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow::Error::from(error).context(format!("cannot read env file {file}"))),
    };
    variables.extend(dotenv::load(extra.unwrap_or_default(), &is_set, &mut read)?);
    Ok(variables)
}
