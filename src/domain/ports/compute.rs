use std::sync::Arc;

use async_trait::async_trait;

use super::{ComputeAccess, Containers};
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::PortResult;
use crate::domain::port_map::PortMap;
use tokio_util::sync::CancellationToken;

/// What the Manager asks for when an environment's compute is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateRequest {
    /// Environment name.
    pub environment: String,
    /// Branch, for people and for worktrees of a person's own repository.
    pub branch: String,
    /// Base branch to make it from, where given.
    pub base: Option<String>,
}

/// Where one environment lives: made per job for exactly one environment.
#[async_trait]
pub trait ComputePort: Containers {
    /// Makes the compute root at the job's commit. Making what is already there is fine.
    async fn create(&self, request: &CreateRequest, cancel: &CancellationToken) -> PortResult<ComputeAccessInfo>;

    /// Whether the bot owns the checkout and keeps it at a commit; only then is `sync_code` a step.
    fn owns_checkout(&self) -> bool;

    /// Brings the checkout to the job's commit, leaving untracked files (manifest, env files) alone.
    async fn sync_code(&self, info: &ComputeAccessInfo, cancel: &CancellationToken) -> PortResult<()>;

    /// Access to a compute root that exists.
    async fn access(&self, info: &ComputeAccessInfo) -> PortResult<Arc<dyn ComputeAccess>>;

    /// Whether the compute root exists.
    async fn exists(&self, info: &ComputeAccessInfo) -> PortResult<bool>;

    /// Starts the infrastructure's compose project with these ports. Without a compose file nothing happens.
    async fn start(
        &self,
        environment: &str,
        info: &ComputeAccessInfo,
        ports: &PortMap,
        cancel: &CancellationToken,
    ) -> PortResult<()>;

    /// Stops everything that runs for the environment (compose project, processes that hooks left), keeping data.
    async fn stop(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<()>;

    /// Removes the compose project with its volumes, ends every process that bears the environment's marker and,
    /// where `info.managed_worktree`, removes the checkout. Goes on past failures; the error says what is left.
    async fn destroy(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<()>;

    /// Whether the infrastructure runs; true where there is none to run.
    async fn is_running(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<bool>;

    /// The branch checked out in a person's own worktree.
    async fn detect_branch(&self, path: &str) -> PortResult<String>;
}
