//! The account that hooks run as, and folders that belong to it.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::domain::error::{ErrorKind, PortError, PortResult};

/// How many folders may lie in each other: each takes a descriptor while what is in it is given away.
const DEEPEST: usize = 200;

/// The numeric ids of the account that hooks run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserIds {
    /// User.
    pub uid: u32,
    /// Its main group.
    pub gid: u32,
}

impl UserIds {
    /// The ids of a local account by its name.
    ///
    /// # Errors
    /// `Invalid` when there is no such account, or when it is root's.
    pub fn of_account(name: &str) -> PortResult<Self> {
        let accounts = std::fs::read_to_string("/etc/passwd")
            .map_err(|error| PortError::with_source(ErrorKind::Unavailable, "cannot read /etc/passwd", error))?;
        let ids = find_account(&accounts, name).ok_or_else(|| {
            PortError::new(
                ErrorKind::Invalid,
                format!("local.run_as: there is no account `{name}` in /etc/passwd: make it with `useradd --system {name}`"),
            )
        })?;
        if ids.uid == 0 {
            return Err(PortError::new(ErrorKind::Invalid, format!("local.run_as: `{name}` is root")));
        }
        Ok(ids)
    }

    /// Makes this account the owner of a path; a link itself, never what it points to.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }
}

fn find_account(accounts: &str, name: &str) -> Option<UserIds> {
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let account = fields.into_iter().find(|fields| fields.len() > 3 && fields[0] == name)?;
    Some(UserIds { uid: account[2].parse().ok()?, gid: account[3].parse().ok()? })
}

/// Makes a folder (and its parents) with this mode and owner; one that is there gets both.
pub(crate) fn make_folder(path: &Path, mode: u32, owner: Option<UserIds>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    owner.map_or(Ok(()), |owner| owner.own(path))
}

/// Gives a folder and everything in it to `owner`. Hooks may exchange what is in it meanwhile, so everything is opened
/// first, never through a link, and what was opened is given away. A file with a second name is left alone: a hook
/// may have linked it in from elsewhere, and git makes none.
pub(crate) fn own_tree(folder: &Path, owner: UserIds) -> io::Result<()> {
    own_entry(&fs::openat(CWD, folder, OFlags::DIRECTORY | ENTRY, Mode::empty())?, owner, DEEPEST)
}

/// A hold on a name's file without opening it for anything, be it a link, a pipe or a device.
const ENTRY: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn own_entry(entry: &OwnedFd, owner: UserIds, deeper: usize) -> io::Result<()> {
    let stat = fs::fstat(entry)?;
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_folder || stat.st_nlink == 1 {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        fs::chownat(entry, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    }
    if !is_folder {
        return Ok(());
    }
    let deeper = deeper.checked_sub(1).ok_or_else(|| {
        io::Error::other(format!("more than {DEEPEST} folders lie in each other: the repository is too deep"))
    })?;
    let folder = fs::openat(entry, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for inner in Dir::read_from(folder.as_fd())? {
        let inner = inner?;
        let name = inner.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match fs::openat(&folder, name, ENTRY, Mode::empty()) {
            Ok(inner) => own_entry(&inner, owner, deeper)?,
            // A hook removed it meanwhile.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_tree_is_given_away_but_nothing_outside_of_it() {
        use std::os::unix::fs::{MetadataExt, symlink};
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can give files away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (tree, outside) = (folder.path().join("tree"), folder.path().join("outside"));
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        std::fs::create_dir_all(outside.join("inner")).unwrap();
        std::fs::write(tree.join("a/b/file"), "").unwrap();
        std::fs::write(outside.join("secret"), "").unwrap();
        symlink(&outside, tree.join("link")).unwrap();
        std::fs::hard_link(outside.join("secret"), tree.join("hard")).unwrap();
        own_tree(&tree, UserIds { uid: 65534, gid: 65534 }).unwrap();
        let owner = |path: &Path| path.symlink_metadata().unwrap().uid();
        for mine in ["", "a", "a/b", "a/b/file", "link"] {
            assert_eq!(owner(&tree.join(mine)), 65534, "{mine}");
        }
        for theirs in ["", "inner", "secret"] {
            assert_eq!(owner(&outside.join(theirs)), 0, "{theirs}");
        }
        assert!(own_tree(&tree.join("link"), UserIds { uid: 65534, gid: 65534 }).is_err());
    }

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let accounts = "root:x:0:0::/:/bin/sh\nhooks-a:x:7:8::/:/bin/sh\nhooks:x:70:80::/:/bin/sh\nbroken\n";
        assert_eq!(find_account(accounts, "hooks"), Some(UserIds { uid: 70, gid: 80 }));
        assert_eq!(find_account(accounts, "hook"), None);
    }
}
