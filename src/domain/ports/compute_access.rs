use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{HookCommand, HookOutcome};
use crate::domain::error::PortResult;

/// Write, read and execute in one environment's compute root, wherever that is.
#[async_trait]
pub trait ComputeAccess: Send + Sync {
    /// Writes a file beneath the root: atomically, with this mode, parents made, never through a link out.
    /// `None` removes the file; a missing one is fine.
    ///
    /// # Errors
    /// `Invalid` for a path that leaves the root.
    async fn write_file(&self, path: &str, data: Option<&[u8]>, mode: u32) -> PortResult<()>;

    /// Reads a file beneath the root; `None` when it is not there.
    async fn read_file(&self, path: &str) -> PortResult<Option<Vec<u8>>>;

    /// Runs a hook in the root under the supervisor. `command.directory` is relative to the root.
    async fn exec(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome>;

    /// The root's path on its machine.
    fn root(&self) -> &str;
}
