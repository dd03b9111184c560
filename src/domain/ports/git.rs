use std::path::Path;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::domain::change::{Repository, Sha};
use crate::domain::environment::LifeId;
use crate::domain::error::PortResult;

/// What a checkout may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckoutLimits {
    /// Files and links.
    pub files: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// The bot's mirrors and the checkouts made from them.
#[async_trait]
pub trait Git: Send + Sync {
    /// Makes sure that the mirror of `repository` has `commit` (fetching exactly it when missing) and keeps it
    /// alive for the environment's life. The token goes to git through a credential helper, never a URL or argv.
    ///
    /// # Errors
    /// `NotFound` when the forge no longer has the commit, `Denied` when the token may not read it, `Invalid` when its
    /// checkout would be too much, `Cancelled`.
    async fn fetch(
        &self,
        repository: &Repository,
        commit: &Sha,
        life: LifeId,
        token: Option<&SecretString>,
        cancel: &CancellationToken,
    ) -> PortResult<()>;

    /// A file at a commit of the mirror; `None` when there is none. Links are not followed; at most `limit` bytes.
    async fn read_file(
        &self,
        repository: &Repository,
        commit: &Sha,
        path: &str,
        limit: u64,
    ) -> PortResult<Option<Vec<u8>>>;

    /// Makes `directory` a worktree of the mirror at `commit`, or moves the one that is there to it
    /// (tracked files reset, untracked ones kept). No hook, filter or submodule of the repository runs.
    async fn checkout(&self, repository: &Repository, commit: &Sha, directory: &Path) -> PortResult<()>;

    /// The commit that a worktree made by [`Git::checkout`] is at; `None` when there is no worktree.
    async fn checked_out(&self, repository: &Repository, directory: &Path) -> PortResult<Option<Sha>>;

    /// Removes a worktree made by [`Git::checkout`]; a missing one is fine.
    async fn remove_checkout(&self, repository: &Repository, directory: &Path) -> PortResult<()>;

    /// Drops the references that kept a life's commits alive.
    async fn release(&self, repository: &Repository, life: LifeId) -> PortResult<()>;
}
