//! Access to a compute root on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::beneath::{self, Inner};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{ComputeAccess, HookCommand, HookOutcome, HookRunner};
use crate::outbound::supervisor::UserIds;

/// A folder on this machine and the supervisor that runs hooks in it.
pub struct LocalAccess {
    root: PathBuf,
    shown: String,
    runner: Arc<dyn HookRunner>,
    owner: Option<UserIds>,
}

impl std::fmt::Debug for LocalAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAccess").field("root", &self.root).finish_non_exhaustive()
    }
}

impl LocalAccess {
    /// Access to `root`; what is written there belongs to `owner`, or to the bot's own account.
    #[must_use]
    pub fn new(root: PathBuf, runner: Arc<dyn HookRunner>, owner: Option<UserIds>) -> Self {
        Self { shown: root.to_string_lossy().into_owned(), root, runner, owner }
    }

    /// Does file work apart from the threads that everything else runs on.
    async fn work<T, W>(&self, path: &str, what: &str, work: W) -> PortResult<T>
    where
        T: Send + 'static,
        W: FnOnce(&Path, &Inner<'_>, Option<UserIds>) -> std::io::Result<T> + Send + 'static,
    {
        let leaves = || PortError::new(ErrorKind::Invalid, format!("path `{path}` leaves {}", self.shown));
        let (root, owner, name) = (self.root.clone(), self.owner, path.to_owned());
        let done =
            tokio::task::spawn_blocking(move || Inner::parse(&name).map(|inner| work(&root, &inner, owner)));
        let done =
            done.await.map_err(|error| PortError::with_source(ErrorKind::Unavailable, "file work died", error))?;
        done.ok_or_else(leaves)?.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::XDEV) => leaves(),
            Some(Errno::LOOP) => {
                let message = format!(
                    "path `{path}` in {} has links in a circle, or one that may lead anywhere",
                    self.shown
                );
                PortError::new(ErrorKind::Invalid, message)
            }
            _ => PortError::with_source(ErrorKind::Invalid, format!("cannot {what} {}/{path}", self.shown), error),
        })
    }
}

#[async_trait]
impl ComputeAccess for LocalAccess {
    async fn write_file(&self, path: &str, data: Option<&[u8]>, mode: u32) -> PortResult<()> {
        let Some(data) = data.map(<[u8]>::to_vec) else {
            return self.work(path, "remove", beneath::remove).await;
        };
        self.work(path, "write", move |root, path, owner| beneath::write(root, path, (&data, mode), owner)).await
    }

    async fn read_file(&self, path: &str) -> PortResult<Option<Vec<u8>>> {
        self.work(path, "read", |root, path, _| beneath::read(root, path)).await
    }

    async fn exec(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        let directory = super::directory_beneath(&self.shown, &command.directory)?;
        self.runner.run(&HookCommand { directory, ..command.clone() }, cancel).await
    }

    fn root(&self) -> &str {
        &self.shown
    }
}
