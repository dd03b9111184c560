//! The machine that an environment lives on: programs, files and processes there, be it the bot's own or a host.

mod local;
mod plugin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use local::LocalMachine;

use super::tool::{Output, Tool};
use crate::domain::environment::LifeId;
use crate::domain::error::PortResult;
use crate::domain::ports::{ComputeAccess, LineSink};

/// Largest file that is read as a whole, in bytes.
pub(super) const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// Where a path from a root leads, links followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// There is nothing.
    Missing,
    /// Out of the root.
    Outside,
    /// To this regular file.
    File(PathBuf),
    /// To something else.
    Other,
}

/// What services that the bot generates have of a machine, where they are not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lodging {
    /// The number of the account that they run as: the one that runs the hooks.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
    /// The folder that hooks and services write to besides the checkout.
    pub home: PathBuf,
}

/// One environment's part of a machine, as long as the job that it was made for holds the environment.
#[async_trait]
pub trait Machine: Send + Sync {
    /// What the entry says of a compute that lives here: `local` or `ssh`.
    fn kind(&self) -> &'static str;

    /// Runs a program to its end. It bears the environment's mark, and is ended when the work is cancelled.
    ///
    /// # Errors
    /// `Invalid` when it is not installed, `TimedOut`, `Cancelled`; how it ended is the caller's to judge.
    async fn run(&self, tool: Tool, cancel: &CancellationToken) -> PortResult<Output>;

    /// Runs a program and hands over each line of both outputs, until it ends or the sink has enough. What
    /// it complained of, where it ended badly.
    ///
    /// # Errors
    /// As [`Machine::run`].
    async fn stream(
        &self,
        tool: Tool,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<Option<String>>;

    /// Whether there is a folder.
    async fn is_folder(&self, path: &Path) -> PortResult<bool>;

    /// Where paths from a root lead.
    async fn find(&self, root: &Path, paths: &[&str]) -> PortResult<Vec<Whereabouts>>;

    /// Files as a whole; `None` for one that is not there.
    ///
    /// # Errors
    /// Also for a file of more than 16 MiB.
    async fn read(&self, paths: &[&Path]) -> PortResult<Vec<Option<Vec<u8>>>>;

    /// Writes a file that nobody else may read, whole or not at all.
    async fn write(&self, path: &Path, data: &[u8]) -> PortResult<()>;

    /// Removes a file, or a folder with all that is in it; a missing one is fine.
    async fn remove(&self, path: &Path) -> PortResult<()>;

    /// Ends programs that were run for this life by somebody who did not live to wait for them: they would work against
    /// those that are run next.
    async fn end_tools(&self, life: LifeId) -> PortResult<()>;

    /// Ends every process that bears the life's mark; those that cannot be ended, by number.
    async fn end_marked(&self, life: LifeId) -> PortResult<Vec<i32>>;

    /// Makes what hooks of untrusted code left running, and services of it that may write to the checkout, stand still, or
    /// go on: while files of the checkout are used by others, nobody may exchange them. Trusted code is not held.
    async fn hold_still(&self, _still: bool) -> PortResult<()> {
        Ok(())
    }

    /// What services of untrusted code may have here; `None` where they cannot be held.
    fn lodging(&self) -> Option<Lodging> {
        None
    }

    /// What tells docker here where its daemon is.
    fn docker_variables(&self) -> BTreeMap<String, String>;

    /// Access to a folder.
    fn access(&self, root: &Path) -> Arc<dyn ComputeAccess>;
}
