//! A project in a folder of this machine: where its root is, and its files, read with bounds and never through a link
//! that leaves it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::{self, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::domain::project::load::{ProjectReader, ReadError};
use crate::domain::project::overlay::BASE_FILE;
use crate::domain::project::validate::ProjectFiles;
use crate::domain::yaml::tree::MAX_BYTES;

/// The folder of a project.
#[derive(Debug, Clone)]
pub struct ProjectFolder {
    root: PathBuf,
}

/// There is no project where it was looked for.
#[derive(Debug, thiserror::Error)]
pub enum NoProject {
    /// Neither the folder nor any above it has the file.
    #[error("there is no {BASE_FILE} in {} or in a folder above it", .0.display())]
    Nowhere(PathBuf),
    /// The folder itself cannot be looked at.
    #[error("cannot look for {BASE_FILE} in {}: {}", .0.display(), .1)]
    Unreachable(PathBuf, std::io::Error),
}

impl ProjectFolder {
    /// The project whose root this folder is.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The nearest folder from `start` upwards that has the base file.
    ///
    /// # Errors
    /// [`NoProject`].
    pub fn find(start: &Path) -> Result<Self, NoProject> {
        let start = start.canonicalize().map_err(|error| NoProject::Unreachable(start.to_owned(), error))?;
        let found = start.ancestors().find(|folder| folder.join(BASE_FILE).symlink_metadata().is_ok());
        found.map(Self::at).ok_or_else(|| NoProject::Nowhere(start.clone()))
    }

    /// The project root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The kernel resolves the path and refuses one that leaves the root.
    fn open(&self, path: &str, flags: OFlags) -> Result<File, Errno> {
        let root = fs::openat(CWD, &self.root, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).map(File::from)
    }

    fn read_bounded(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let refused = |why: String| ReadError::Refused(why);
        // Not blocking: a pipe must not hold anybody up.
        let file = match self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return self.dangling(path),
            Err(error) => return Err(refused(reason(error))),
        };
        let metadata = file.metadata().map_err(|error| refused(format!("it cannot be read: {error}")))?;
        if metadata.is_dir() {
            return Err(refused("it is a folder, not a file".to_owned()));
        }
        if !metadata.is_file() {
            return Err(refused("it is no regular file".to_owned()));
        }
        if metadata.len() > MAX_BYTES as u64 {
            return Err(refused(too_large(metadata.len())));
        }
        let mut data = Vec::new();
        let read = file.take(MAX_BYTES as u64 + 1).read_to_end(&mut data);
        read.map_err(|error| refused(format!("it cannot be read: {error}")))?;
        // It may have grown.
        if data.len() > MAX_BYTES { Err(refused(too_large(data.len() as u64))) } else { Ok(Some(data)) }
    }

    /// Nothing is there, unless a link is that leads nowhere.
    fn dangling(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.open(path, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(_) => Err(ReadError::Refused("it is a link to a file that does not exist".to_owned())),
            Err(_) => Ok(None),
        }
    }
}

fn too_large(bytes: u64) -> String {
    format!("it has {bytes} bytes; at most {MAX_BYTES} are read")
}

fn reason(error: Errno) -> String {
    match error {
        Errno::LOOP => "its links lead in a circle".to_owned(),
        Errno::XDEV => "it is a link that leaves the project".to_owned(),
        Errno::ACCESS | Errno::PERM => "it may not be read: permission denied".to_owned(),
        other => format!("it cannot be read: {}", std::io::Error::from(other)),
    }
}

#[async_trait]
impl ProjectReader for ProjectFolder {
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        // At most a mebibyte of a local file: no thread is worth it.
        self.read_bounded(path)
    }

    fn whereabouts(&self) -> String {
        format!("in {}", self.root.display())
    }
}

impl ProjectFiles for ProjectFolder {
    fn exists(&self, path: &str) -> bool {
        if path.starts_with('/') {
            return Path::new(path).exists();
        }
        self.open(path, OFlags::PATH).is_ok()
    }
}
