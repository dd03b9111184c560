//! The fence of one life: an epoch in a file under a lock, so that who lost the life changes nothing any more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::domain::error::{ErrorKind, PortError, PortResult};

/// The lock and the epoch that is stored under it.
#[derive(Debug, Clone)]
pub(super) struct Fence {
    folder: PathBuf,
    epoch: i64,
}

/// The lock, held: nobody can take the life over meanwhile.
#[derive(Debug)]
pub(super) struct Held {
    _lock: File,
}

impl Fence {
    /// Raises the stored epoch to `epoch` and returns with the lock still held.
    pub(super) async fn raise(folder: &Path, epoch: i64) -> PortResult<(Self, Held)> {
        let fence = Self { folder: folder.to_owned(), epoch };
        let held = fence.lock().await?;
        match fence.stored()? {
            Some(stored) if stored > epoch => return Err(fence.lost(Some(stored))),
            Some(stored) if stored == epoch => {}
            _ => fence.store()?,
        }
        Ok((fence, held))
    }

    /// Takes the lock and checks that nobody newer has taken over.
    ///
    /// # Errors
    /// `Fenced` when somebody has, or when the life was destroyed.
    pub(super) async fn hold(&self) -> PortResult<Held> {
        if !self.folder.is_dir() {
            return Err(self.lost(None));
        }
        let held = self.lock().await?;
        match self.stored()? {
            Some(stored) if stored == self.epoch => Ok(held),
            other => Err(self.lost(other)),
        }
    }

    async fn lock(&self) -> PortResult<Held> {
        let path = self.folder.join("lock");
        let taken = tokio::task::spawn_blocking(move || {
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok::<_, io::Error>(file)
        });
        let lock = taken.await.map_err(io::Error::other).and_then(|file| file);
        Ok(Held { _lock: lock.map_err(|error| self.broken("lock", error))? })
    }

    fn stored(&self) -> PortResult<Option<i64>> {
        match fs::read_to_string(self.folder.join("epoch")) {
            Ok(text) => {
                let epoch = text.trim().parse().map_err(|error| self.broken("epoch", io::Error::other(error)))?;
                Ok(Some(epoch))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.broken("epoch", error)),
        }
    }

    fn store(&self) -> PortResult<()> {
        let path = self.folder.join("epoch");
        let write = || {
            let new = path.with_extension("new");
            fs::write(&new, format!("{}\n", self.epoch))?;
            File::open(&new)?.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(|error| self.broken("epoch", error))
    }

    fn lost(&self, stored: Option<i64>) -> PortError {
        let now = stored.map_or("it was destroyed".to_owned(), |epoch| format!("epoch {epoch} holds it"));
        PortError::new(ErrorKind::Fenced, format!("epoch {} no longer holds this environment: {now}", self.epoch))
    }

    fn broken(&self, file: &str, error: io::Error) -> PortError {
        let path = self.folder.join(file);
        PortError::with_source(ErrorKind::Unavailable, format!("cannot use the fence {}", path.display()), error)
    }
}
