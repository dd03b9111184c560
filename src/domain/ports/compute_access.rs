use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{HookCommand, HookOutcome};
use crate::domain::error::PortResult;

/// A file to write beneath a compute root.
#[derive(Clone, PartialEq, Eq)]
pub struct FileToWrite {
    /// Path from the root.
    pub path: String,
    /// Its content; `None` removes it.
    pub data: Option<Vec<u8>>,
    /// Its mode.
    pub mode: u32,
}

impl std::fmt::Debug for FileToWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The content may hold secrets.
        f.debug_struct("FileToWrite").field("path", &self.path).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Write, read and execute in one environment's compute root, wherever that is.
#[async_trait]
pub trait ComputeAccess: Send + Sync {
    /// Writes a file beneath the root: atomically, with this mode, parents made, never through a link out.
    /// `None` removes the file; a missing one is fine.
    ///
    /// # Errors
    /// `Invalid` for a path that leaves the root.
    async fn write_file(&self, path: &str, data: Option<&[u8]>, mode: u32) -> PortResult<()>;

    /// Writes several files, each as [`ComputeAccess::write_file`] does; in one round where the access can. What was
    /// written before one failed stays.
    ///
    /// # Errors
    /// As [`ComputeAccess::write_file`], for the first that fails.
    async fn write_files(&self, files: &[FileToWrite]) -> PortResult<()> {
        for file in files {
            self.write_file(&file.path, file.data.as_deref(), file.mode).await?;
        }
        Ok(())
    }

    /// Reads a file beneath the root; `None` when it is not there.
    async fn read_file(&self, path: &str) -> PortResult<Option<Vec<u8>>>;

    /// Reads several files, each as [`ComputeAccess::read_file`] does; in one round where the access can.
    ///
    /// # Errors
    /// As [`ComputeAccess::read_file`], for the first that fails.
    async fn read_files(&self, paths: &[&str]) -> PortResult<Vec<Option<Vec<u8>>>> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            files.push(self.read_file(path).await?);
        }
        Ok(files)
    }

    /// Runs a hook in the root under the supervisor. `command.directory` is relative to the root.
    async fn exec(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome>;

    /// The root's path on its machine.
    fn root(&self) -> &str;
}
