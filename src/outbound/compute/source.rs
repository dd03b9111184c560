//! Where an environment's code comes from.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::on_machine::unusable;
use crate::domain::change::{Repository, Sha};
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{CreateRequest, Git};
use crate::outbound::file_work::apart;
use crate::outbound::supervisor::{UserIds, own_tree};

/// Makes, follows and removes the checkout of one environment.
#[async_trait]
pub trait CodeSource: Send + Sync {
    /// Whether the checkout is kept at a commit, so that `sync_code` is a step.
    fn follows_a_commit(&self) -> bool;

    /// Makes the checkout. Making what is already there is fine.
    async fn make(
        &self,
        directory: &Path,
        _request: &CreateRequest,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        self.sync(directory, cancel).await
    }

    /// Brings the checkout to the commit; nothing where none is followed.
    async fn sync(&self, directory: &Path, cancel: &CancellationToken) -> PortResult<()>;

    /// Removes the checkout and what keeps its commits alive; a missing one is fine.
    async fn remove(&self, directory: &Path) -> PortResult<()>;
}

/// The bot's own mirror at the job's commit.
pub struct MirrorSource {
    /// Mirrors and checkouts.
    pub git: Arc<dyn Git>,
    /// The repository that the code comes from.
    pub repository: Repository,
    /// The commit that the job is for; `None` when what is there is only to be stopped or destroyed.
    pub commit: Option<Sha>,
    /// The environment's life.
    pub life: LifeId,
    /// The account that owns the checkout; `None`: the bot's own.
    pub run_as: Option<UserIds>,
}

impl MirrorSource {
    async fn checkout(&self, directory: &Path) -> PortResult<()> {
        if let Some(parent) = directory.parent() {
            std::fs::create_dir_all(parent).map_err(|error| unusable(parent, error))?;
        }
        let commit = self
            .commit
            .as_ref()
            .ok_or_else(|| PortError::new(ErrorKind::Invalid, "there is no commit to check out"))?;
        self.git.checkout(&self.repository, commit, directory).await?;
        let Some(owner) = self.run_as else { return Ok(()) };
        let folder = directory.to_owned();
        apart(move || own_tree(&folder, owner)).await.map_err(|error| unusable(directory, error))
    }
}

#[async_trait]
impl CodeSource for MirrorSource {
    fn follows_a_commit(&self) -> bool {
        true
    }

    async fn sync(&self, directory: &Path, cancel: &CancellationToken) -> PortResult<()> {
        tokio::select! {
            done = self.checkout(directory) => done,
            () = cancel.cancelled() => Err(PortError::new(ErrorKind::Cancelled, "the checkout was cancelled")),
        }
    }

    async fn remove(&self, directory: &Path) -> PortResult<()> {
        let removed = self.git.remove_checkout(&self.repository, directory).await;
        let released = self.git.release(&self.repository, self.life).await;
        removed.map_err(|error| error.context(format!("folder {}", directory.display())))?;
        released.map_err(|error| error.context("references in the mirror"))
    }
}
