use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::environment::{Desired, Environment, Project, ProjectId};
use crate::domain::error::PortResult;
use crate::domain::ports::ClaimedJob;

/// A project that is a folder on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderProject {
    /// The project.
    pub project: Project,
    /// Its folder: where `previewctl.yaml` lies.
    pub folder: PathBuf,
}

/// What a command at a terminal wants with an environment.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The project.
    pub project: ProjectId,
    /// The environment as the person calls it.
    pub name: String,
    /// The command, in words: `create`.
    pub command: String,
    /// What the environment should be from now on; `None`: desired stays as it is.
    pub desired: Option<Desired>,
    /// Whether the environment is made when there is none.
    pub make: bool,
    /// Who holds it: unique for this process.
    pub owner: String,
    /// How long the claim holds without a heartbeat.
    pub lease: Duration,
}

/// Environments that people make at a terminal, in a project that is a folder on this machine. They live in the same
/// rows as those of changes, and whoever works on one holds a job: a person and the bot cannot trample each other.
#[async_trait]
pub trait FolderEnvironments: Send + Sync {
    /// The project of a folder, which must be absolute and without links.
    async fn folder_project(&self, folder: &Path) -> PortResult<Option<FolderProject>>;

    /// The project of a folder, made when there is none: its slug is made of `name` when free, else with a short hash.
    async fn ensure_folder_project(&self, folder: &Path, name: &str) -> PortResult<FolderProject>;

    /// All of them, by slug.
    async fn folder_projects(&self) -> PortResult<Vec<FolderProject>>;

    /// An environment by the name that the person gave it.
    async fn environment_named(&self, project: ProjectId, name: &str) -> PortResult<Option<Environment>>;

    /// Takes an environment for one command: a running job of its own with lease and epoch. `is_gone` tells of an
    /// owner whether its process is known to have ended.
    ///
    /// # Errors
    /// `NotFound` when there is none and none is to be made; `Conflict` when somebody else works on it, saying who.
    async fn take(
        &self,
        errand: &Errand,
        is_gone: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
    ) -> PortResult<ClaimedJob>;
}
