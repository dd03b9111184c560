//! The folder with the control sockets of one host. One that a killed bot left is removed by the next bot of the same
//! account, its connection with it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::outbound::supervisor::{boot_id, start_of};

/// Short: the path of a socket has little room.
const PREFIX: &str = "previewbot-ssh";
/// Says which process a folder belongs to.
const OWNER: &str = "owner";

/// Makes a folder that nobody else may enter.
pub(super) fn make() -> io::Result<TempDir> {
    sweep(&std::env::temp_dir());
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
    fs::write(folder.path().join(OWNER), owner(std::process::id()).unwrap_or_default())?;
    Ok(folder)
}

/// A process, told from any other that ever has its number; `None` when it does not live.
fn owner(pid: u32) -> Option<String> {
    let start = start_of(i32::try_from(pid).ok()?)?;
    Some(format!("{pid} {start} {}", boot_id()))
}

/// Removes the folders of bots that are gone. Best effort: what stays harms nobody.
fn sweep(folder: &Path) {
    let account = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == account);
        if is_ours && is_left(&entry.path()) {
            tracing::info!(folder = %entry.path().display(), "ending the connection of a bot that was killed");
            for socket in sockets(&entry.path()) {
                end(&socket);
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the process that made it is gone. One that does not say is just being made.
fn is_left(folder: &Path) -> bool {
    let Ok(text) = fs::read_to_string(folder.join(OWNER)) else { return false };
    let pid = text.split(' ').next().and_then(|pid| pid.parse().ok());
    pid.is_some_and(|pid| owner(pid).as_deref() != Some(text.as_str()))
}

/// The control sockets: each is in a folder of its own.
fn sockets(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries(folder).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let inner = folders.flat_map(|folder| entries(&folder.path()).collect::<Vec<_>>());
    inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket())).map(|entry| entry.path()).collect()
}

fn end(socket: &Path) {
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-O", "exit", "-S"]).arg(socket).args(["--", "host"]);
    let _ = ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_the_dead_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let (mine, killed) = (owner(std::process::id()).unwrap(), owner(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        for (name, owner) in [
            ("previewbot-ssh-living", Some(mine.as_str())),
            ("previewbot-ssh-dead", Some(&killed)),
            ("previewbot-ssh-beginning", None),
            ("somebody-else", Some(&killed)),
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
            if let Some(owner) = owner {
                fs::write(folder.path().join(name).join(OWNER), owner).unwrap();
            }
        }
        sweep(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["previewbot-ssh-beginning", "previewbot-ssh-living", "somebody-else"]);
    }
}
