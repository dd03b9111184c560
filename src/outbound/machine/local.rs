//! The bot's own machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::plugin;
use super::{LARGEST_FILE, Machine, Whereabouts};
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{ComputeAccess, HookRunner, LineSink};
use crate::outbound::access::LocalAccess;
use crate::outbound::file_work::apart;
use crate::outbound::supervisor::{UserIds, end_marked_processes, end_orphaned_tools};
use crate::outbound::tool::{Output, Tool};

/// What tells docker where its daemon is.
const DAEMON_VARIABLES: [&str; 4] = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"];

/// The machine that the bot runs on.
pub struct LocalMachine {
    runner: Arc<dyn HookRunner>,
    owner: Option<UserIds>,
}

impl LocalMachine {
    /// This machine; hooks run through `runner`, and what is written for them belongs to `owner`, or to the bot's own
    /// account.
    #[must_use]
    pub fn new(runner: Arc<dyn HookRunner>, owner: Option<UserIds>) -> Self {
        Self { runner, owner }
    }
}

#[async_trait]
impl Machine for LocalMachine {
    fn kind(&self) -> &'static str {
        "local"
    }

    async fn run(&self, tool: Tool, cancel: &CancellationToken) -> PortResult<Output> {
        plugin::run_directly(tool).run(cancel).await
    }

    async fn stream(
        &self,
        tool: Tool,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<Option<String>> {
        plugin::run_directly(tool).stream(cancel, sink).await
    }

    async fn is_folder(&self, path: &Path) -> PortResult<bool> {
        Ok(path.is_dir())
    }

    async fn find(&self, root: &Path, paths: &[&str]) -> PortResult<Vec<Whereabouts>> {
        let root = root.canonicalize().map_err(|error| unusable("use", root, error))?;
        Ok(paths.iter().map(|path| whereabouts(&root, path)).collect())
    }

    async fn read(&self, paths: &[&Path]) -> PortResult<Vec<Option<Vec<u8>>>> {
        paths.iter().map(|path| read(path).map_err(|error| unusable("read", path, error))).collect()
    }

    async fn write(&self, path: &Path, data: &[u8]) -> PortResult<()> {
        write_private(path, data).map_err(|error| unusable("write", path, error))
    }

    async fn remove(&self, path: &Path) -> PortResult<()> {
        let doomed = path.to_owned();
        apart(move || remove(&doomed)).await.map_err(|error| unusable("remove", path, error))
    }

    async fn end_tools(&self, life: LifeId) -> PortResult<()> {
        end_orphaned_tools(life).await;
        Ok(())
    }

    async fn end_marked(&self, life: LifeId) -> PortResult<Vec<i32>> {
        Ok(end_marked_processes(life).await)
    }

    fn docker_variables(&self) -> BTreeMap<String, String> {
        DAEMON_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
    }

    fn access(&self, root: &Path) -> Arc<dyn ComputeAccess> {
        Arc::new(LocalAccess::new(root.to_owned(), self.runner.clone(), self.owner))
    }
}

fn unusable(doing: &str, path: &Path, error: io::Error) -> PortError {
    PortError::with_source(ErrorKind::Unavailable, format!("cannot {doing} {}", path.display()), error)
}

fn whereabouts(root: &Path, path: &str) -> Whereabouts {
    let path = root.join(path);
    if fs::symlink_metadata(&path).is_err() {
        return Whereabouts::Missing;
    }
    match path.canonicalize() {
        Ok(real) if !real.starts_with(root) => Whereabouts::Outside,
        Ok(real) if real.is_file() => Whereabouts::File(real),
        Ok(_) => Whereabouts::Other,
        Err(_) => Whereabouts::Missing,
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut data = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut data)?;
    if data.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(Some(data))
}

/// It may hold secrets, and one that a crash left may be of any mode.
fn write_private(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut target = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    target.write_all(data)?;
    fs::rename(&new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_the_root_or_out_of_it() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        fs::create_dir_all(root.join("inner")).unwrap();
        fs::write(root.join("inner/file"), "").unwrap();
        fs::write(folder.path().join("secret"), "").unwrap();
        symlink("inner/file", root.join("link")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        let file = Whereabouts::File(root.join("inner/file"));
        let cases = [
            ("inner/file", file.clone()),
            ("link", file),
            ("out", Whereabouts::Outside),
            ("../secret", Whereabouts::Outside),
            ("inner", Whereabouts::Other),
            ("dangling", Whereabouts::Missing),
            ("no", Whereabouts::Missing),
        ];
        for (path, expected) in cases {
            assert_eq!(whereabouts(&root, path), expected, "{path}");
        }
    }
}
