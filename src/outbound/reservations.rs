//! TCP ports that this process has given out, marked for every other bot on the machine.
//!
//! Between the look whether a port is free and the moment a preview listens on it, minutes may pass; another bot's
//! database knows nothing of the choice. A lock on a file named after the port tells, and is gone with the process.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};

/// Ports held by this process.
#[derive(Debug)]
pub struct Reservations {
    folder: PathBuf,
    held: Mutex<HashMap<u16, File>>,
}

impl Default for Reservations {
    /// Reservations in the machine's folder for temporary files, one set for each account.
    fn default() -> Self {
        let account = rustix::process::geteuid().as_raw();
        Self { folder: PathBuf::from(format!("/tmp/previewbot-ports-{account}")), held: Mutex::default() }
    }
}

impl Reservations {
    /// Holds a port; false when another process holds it. A machine on which nothing can be marked holds nothing back.
    pub(super) fn take(&self, port: u16) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(&port) {
            return true;
        }
        match self.mark(port) {
            Ok(Some(file)) => {
                held.insert(port, file);
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(%error, port, "the port cannot be marked for other bots");
                true
            }
        }
    }

    /// Lets go of every port that is not wanted any more, and takes its mark away while nobody else can have it.
    pub fn keep(&self, wanted: impl Fn(u16) -> bool) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|port, _| {
            let keeps = wanted(*port);
            if !keeps && let Err(error) = std::fs::remove_file(self.folder.join(port.to_string())) {
                tracing::debug!(%error, port, "the mark of a port cannot be removed");
            }
            keeps
        });
    }

    fn mark(&self, port: u16) -> io::Result<Option<File>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let folder = std::fs::symlink_metadata(&self.folder)?;
        // Anybody may write to the folder above: what somebody else put there is not used.
        if !folder.is_dir() || folder.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("the folder belongs to somebody else"));
        }
        let mut options = OpenOptions::new();
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let path = self.folder.join(port.to_string());
        let file = options.open(&path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        // Whoever held it may have taken it away in between: a lock on what has no name keeps nobody out.
        let named = std::fs::symlink_metadata(&path).is_ok_and(|named| same(&named, &file));
        Ok(named.then_some(file))
    }
}

fn same(named: &Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|held| (held.dev(), held.ino()) == (named.dev(), named.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_held_for_one_bot_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let bot = || Reservations { folder: folder.path().join("ports"), held: Mutex::default() };
        let (one, other) = (bot(), bot());
        assert!(one.take(61_000) && one.take(61_000));
        assert!(!other.take(61_000));
        assert!(other.take(61_001));
        one.keep(|port| port != 61_000);
        assert!(!folder.path().join("ports/61000").exists());
        assert!(other.take(61_000));
        drop(other);
        assert!(one.take(61_001));
    }
}
