//! Access to a compute root on a host.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::machine::files;
use super::request::Request;
use super::runner::SshRunner;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{ComputeAccess, FileToWrite, HookCommand, HookOutcome, HookRunner as _};
use crate::outbound::access::{Inner, READ_LIMIT, directory_beneath};

const WRITE: &str = include_str!("scripts/write_files.sh");
const READ: &str = include_str!("scripts/read_beneath.sh");
/// How many bytes of files go in one request at most, so that a slow line does not reach its time limit.
const AT_ONCE: usize = 8 * 1024 * 1024;

/// A folder on a host, and the supervisor that runs hooks in it.
pub struct SshAccess {
    root: String,
    runner: Arc<SshRunner>,
}

impl std::fmt::Debug for SshAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshAccess").field("root", &self.root).finish_non_exhaustive()
    }
}

impl SshAccess {
    /// Access to `root`, fenced by the runner's epoch.
    #[must_use]
    pub fn new(root: String, runner: Arc<SshRunner>) -> Self {
        Self { root, runner }
    }

    fn inner<'a>(&self, path: &'a str) -> PortResult<Inner<'a>> {
        let leaves = || PortError::new(ErrorKind::Invalid, format!("path `{path}` leaves {}", self.root));
        Inner::parse(path).ok_or_else(leaves)
    }

    async fn write(&self, files: &[FileToWrite]) -> PortResult<()> {
        let mut arguments =
            vec![self.runner.folder().to_owned(), self.runner.epoch().to_string(), self.root.clone()];
        let mut data = Vec::new();
        for file in files {
            let inner = self.inner(&file.path)?;
            let size = file.data.as_ref().map_or("-".to_owned(), |data| data.len().to_string());
            arguments.extend([inner.parent(), inner.name().to_owned(), size, format!("{:o}", file.mode)]);
            data.extend_from_slice(file.data.as_deref().unwrap_or_default());
        }
        let what = match files {
            [file] => format!("cannot write {}/{}", self.root, file.path),
            _ => format!("cannot write files in {}", self.root),
        };
        self.runner.host().done(&what, &Request::new(WRITE, arguments).data(data)).await.map(drop)
    }

    /// Reads files in one round; `None` when not all that was sent arrived.
    async fn read(&self, paths: &[&str]) -> PortResult<Option<Vec<Option<Vec<u8>>>>> {
        let mut arguments = vec![self.root.clone(), READ_LIMIT.to_string()];
        for path in paths {
            let inner = self.inner(path)?;
            arguments.extend([inner.parent(), inner.name().to_owned()]);
        }
        let what = match paths {
            [path] => format!("cannot read {}/{path}", self.root),
            _ => format!("cannot read files in {}", self.root),
        };
        let answer = self.runner.host().done(&what, &Request::new(READ, arguments)).await?;
        Ok(files(&answer.stdout, paths.len()))
    }

    fn incomplete(&self, what: &str) -> PortError {
        self.runner.host().named(PortError::new(ErrorKind::Unavailable, format!("{what} came incomplete")))
    }
}

#[async_trait]
impl ComputeAccess for SshAccess {
    async fn write_file(&self, path: &str, data: Option<&[u8]>, mode: u32) -> PortResult<()> {
        let file = FileToWrite { path: path.to_owned(), data: data.map(<[u8]>::to_vec), mode };
        self.write(std::slice::from_ref(&file)).await
    }

    async fn write_files(&self, files: &[FileToWrite]) -> PortResult<()> {
        let mut rest = files;
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|file| {
                size += file.data.as_ref().map_or(0, Vec::len);
                size <= AT_ONCE
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            self.write(now).await?;
            rest = later;
        }
        Ok(())
    }

    async fn read_file(&self, path: &str) -> PortResult<Option<Vec<u8>>> {
        let read = self.read(&[path]).await?.and_then(|files| files.into_iter().next());
        read.ok_or_else(|| self.incomplete(&format!("{}/{path}", self.root)))
    }

    async fn read_files(&self, paths: &[&str]) -> PortResult<Vec<Option<Vec<u8>>>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(files) = self.read(paths).await? {
            return Ok(files);
        }
        // Together they are larger than one answer may be.
        let mut files = Vec::new();
        for path in paths {
            files.push(self.read_file(path).await?);
        }
        Ok(files)
    }

    async fn exec(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        let directory = directory_beneath(&self.root, &command.directory)?;
        self.runner.run(&HookCommand { directory, ..command.clone() }, cancel).await
    }

    fn root(&self) -> &str {
        &self.root
    }
}
