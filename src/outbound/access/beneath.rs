//! Files beneath a folder, whatever links a repository holds: the kernel resolves each path and refuses one that
//! leaves the folder (`openat2` with `RESOLVE_BENEATH`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use crate::outbound::supervisor::UserIds;

/// Largest file that is read, in bytes.
pub(in crate::outbound) const READ_LIMIT: u64 = 16 * 1024 * 1024;

/// A path beneath a folder as parent folders and a name; an absolute one is taken beneath the folder too.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::outbound) struct Inner<'a> {
    parents: Vec<&'a str>,
    name: &'a str,
}

impl<'a> Inner<'a> {
    /// `None` for a path that leaves the folder or names the folder itself.
    pub(in crate::outbound) fn parse(path: &'a str) -> Option<Self> {
        let mut parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if path.contains('\0') || path.ends_with('/') || parts.contains(&"..") {
            return None;
        }
        let name = parts.pop()?;
        Some(Self { parents: parts, name })
    }

    /// The folder that the file lies in, from the root; empty for the root itself.
    pub(in crate::outbound) fn parent(&self) -> String {
        self.parents.join("/")
    }

    /// The file's name.
    pub(in crate::outbound) fn name(&self) -> &str {
        self.name
    }
}

fn open(folder: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    fs::openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn open_root(root: &Path) -> Result<OwnedFd, Errno> {
    fs::openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

fn give(file: &OwnedFd, owner: Option<UserIds>) -> Result<(), Errno> {
    let Some(UserIds { uid, gid }) = owner else { return Ok(()) };
    fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

/// Opens the folder that a file lies in; missing ones are made with mode 0755.
fn open_parents(root: &Path, path: &Inner<'_>, owner: Option<UserIds>) -> Result<OwnedFd, Errno> {
    let root = open_root(root)?;
    let mut folder = rustix::io::dup(&root)?;
    let mut reached = String::new();
    for part in &path.parents {
        // Always from the root: a link to elsewhere in the root is fine, and the kernel must see where it leads.
        reached = if reached.is_empty() { (*part).to_owned() } else { format!("{reached}/{part}") };
        folder = match open(&root, &reached, OFlags::DIRECTORY | OFlags::RDONLY) {
            Err(Errno::NOENT) => {
                match fs::mkdirat(&folder, *part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                let made = open(&folder, part, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW)?;
                fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
                give(&made, owner)?;
                made
            }
            opened => opened?,
        };
    }
    Ok(folder)
}

/// Writes a file as a whole or not at all. One that is there keeps its mode where that is stricter: an overwrite
/// never shows a secret to more people.
pub(super) fn write(
    root: &Path,
    path: &Inner<'_>,
    (data, mode): (&[u8], u32),
    owner: Option<UserIds>,
) -> io::Result<()> {
    let folder = open_parents(root, path, owner)?;
    let mode = match fs::statat(&folder, path.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(old) if FileType::from_raw_mode(old.st_mode) == FileType::RegularFile => mode & old.st_mode & 0o7777,
        Ok(_) | Err(Errno::NOENT) => mode,
        Err(error) => return Err(error.into()),
    };
    let temporary = format!(".{}.previewbot-new", path.name.chars().take(40).collect::<String>());
    // Left by a crash in between; whatever it is, it is a name of ours.
    let _ = fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(&folder, temporary.as_str(), flags, Mode::from_raw_mode(0o600))?;
    let fill = || {
        give(&file, owner)?;
        fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        let mut file = File::from(file.try_clone()?);
        file.write_all(data)?;
        // Before the name is changed: a loss of power must not leave an empty file in place of the old one.
        file.sync_all()?;
        fs::renameat(&folder, temporary.as_str(), &folder, path.name)?;
        Ok(())
    };
    fill().inspect_err(|_: &io::Error| {
        let _ = fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
    })
}

/// Removes a file; a missing one is fine. Its parent folders are made, as if it had been written.
pub(super) fn remove(root: &Path, path: &Inner<'_>, owner: Option<UserIds>) -> io::Result<()> {
    let folder = open_parents(root, path, owner)?;
    match fs::unlinkat(&folder, path.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reads a regular file; `None` when it is not there.
pub(super) fn read(root: &Path, path: &Inner<'_>) -> io::Result<Option<Vec<u8>>> {
    let whole = path.parents.iter().chain([&path.name]).copied().collect::<Vec<_>>().join("/");
    let root = match open_root(root) {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    // Not blocking: a pipe in the repository must not hold the bot up.
    let file = match open(&root, &whole, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        opened => File::from(opened?),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut data = Vec::new();
    file.take(READ_LIMIT + 1).read_to_end(&mut data)?;
    if data.len() as u64 > READ_LIMIT {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(Some(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_leave_the_folder_is_none() {
        for bad in ["", "/", ".", "..", "../x", "a/../b", "a/..", "a/", "a\0b"] {
            assert_eq!(Inner::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Inner::parse("/a//./b"), Some(Inner { parents: vec!["a"], name: "b" }));
    }
}
