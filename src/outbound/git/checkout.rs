//! Worktrees of a mirror.
//!
//! What belongs to a checkout is found by the mirror's own list of worktrees, never by the `.git` file in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::OwnedMutexGuard;

use super::command::Git;
use crate::domain::change::Sha;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::outbound::file_work::apart;

/// A mirror and one folder that is, or is to be, a checkout of it.
pub(super) struct Checkout<'a> {
    /// The bare mirror.
    pub(super) mirror: &'a Path,
    /// git's home.
    pub(super) home: &'a Path,
    /// The checkout's folder.
    pub(super) folder: &'a Path,
}

impl Checkout<'_> {
    /// Brings the folder to the commit: tracked files are reset, untracked ones stay.
    pub(super) async fn bring_to(&self, commit: &Sha) -> PortResult<()> {
        let mut admin = self.admin();
        if admin.is_none() {
            self.attach(commit).await?;
            admin = self.admin();
        }
        let admin = admin.ok_or_else(|| self.failed("it is not in the mirror's list of worktrees"))?;
        // Left by a crash: nobody else works in this checkout.
        remove_file(&admin.join("index.lock")).map_err(|error| self.broken(error))?;
        fs::create_dir_all(self.folder).map_err(|error| self.broken(error))?;
        let what = format!("cannot check {} out at {}", self.folder.display(), commit.short());
        let git = Git::at(&admin, self.home).work_tree(self.folder);
        git.run(&what, &["checkout", "--quiet", "--force", "--detach", commit.as_str()]).await?;
        self.write_link(&admin)
    }

    /// The commit that the mirror says the folder is at.
    pub(super) fn head(&self) -> PortResult<Option<Sha>> {
        let Some(admin) = self.admin().filter(|_| self.folder.exists()) else { return Ok(None) };
        let head = fs::read_to_string(admin.join("HEAD")).map_err(|error| self.broken(error))?;
        Ok(head.trim().parse().ok())
    }

    /// Removes folder and registration; missing ones are fine. The mirror stays locked until all is done, even when
    /// nobody waits for it any more.
    pub(super) async fn remove(&self, writing: OwnedMutexGuard<()>) -> PortResult<()> {
        let (folder, admin) = (self.folder.to_owned(), self.admin());
        let removed = apart(move || {
            let removed = remove_both(&folder, admin.as_deref());
            drop(writing);
            removed
        });
        removed.await.map_err(|error| self.broken(error))
    }

    /// The folder in the mirror that belongs to this checkout.
    fn admin(&self) -> Option<PathBuf> {
        let own = self.link();
        let entries = fs::read_dir(self.mirror.join("worktrees")).ok()?;
        entries.flatten().map(|entry| entry.path()).find(|admin| {
            fs::read_to_string(admin.join("gitdir")).is_ok_and(|text| Path::new(text.trim_end()) == own)
        })
    }

    /// Registers the folder as a worktree. It is made beside and its registration moved, so that files which a lost
    /// mirror's checkout left in the folder stay.
    async fn attach(&self, commit: &Sha) -> PortResult<()> {
        let mut beside = self.folder.as_os_str().to_owned();
        beside.push(".previewbot-new");
        let beside = PathBuf::from(beside);
        let temporary = Checkout { folder: &beside, ..*self };
        // Without files of the commit: it takes no time.
        remove_both(&beside, temporary.admin().as_deref()).map_err(|error| self.broken(error))?;
        fs::create_dir_all(self.folder).map_err(|error| self.broken(error))?;
        let what = format!("cannot make the checkout {}", self.folder.display());
        let path = beside.to_string_lossy().into_owned();
        let arguments = ["worktree", "add", "--quiet", "--detach", "--no-checkout", "--", &path, commit.as_str()];
        Git::at(self.mirror, self.home).run(&what, &arguments).await?;
        let admin = temporary.admin().ok_or_else(|| self.failed("git did not register it"))?;
        let link = format!("{}\n", self.link().display());
        fs::write(admin.join("gitdir"), link).map_err(|error| self.broken(error))?;
        fs::remove_dir_all(&beside).map_err(|error| self.broken(error))
    }

    /// The file by which git run in the checkout finds the mirror. A link there is replaced, never followed.
    fn write_link(&self, admin: &Path) -> PortResult<()> {
        let text = format!("gitdir: {}\n", admin.display());
        let link = self.link();
        if fs::symlink_metadata(&link).is_ok_and(|found| found.is_file())
            && fs::read_to_string(&link).is_ok_and(|found| found == text)
        {
            return Ok(());
        }
        let write = || {
            let new = self.folder.join(".git.previewbot-new");
            remove_file(&new)?;
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&new)?;
            io::Write::write_all(&mut file, text.as_bytes())?;
            fs::rename(&new, &link)
        };
        write().map_err(|error| self.broken(error))
    }

    fn link(&self) -> PathBuf {
        self.folder.join(".git")
    }

    fn broken(&self, error: io::Error) -> PortError {
        let message = format!("cannot use the checkout {}", self.folder.display());
        PortError::with_source(ErrorKind::Unavailable, message, error)
    }

    fn failed(&self, why: &str) -> PortError {
        PortError::new(
            ErrorKind::Unavailable,
            format!("cannot make the checkout {}: {why}", self.folder.display()),
        )
    }
}

/// Removes a checkout's folder and its registration; missing ones are fine.
fn remove_both(folder: &Path, admin: Option<&Path>) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    admin.map_or(Ok(()), fs::remove_dir_all)
}

/// Removes a file; a missing one is fine.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
