//! A disk that can be filled: a small file system in memory, mounted over a folder. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of so many KiB over the folder; nothing where this process may not mount.
    pub(crate) fn over(folder: &Path, kib: u32) -> Option<Self> {
        let mount =
            run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "none"]).arg(folder));
        if !mount {
            assert!(
                !rustix::process::geteuid().is_root() || !may_mount(),
                "a disk of {kib} KiB cannot be mounted"
            );
            println!("this process may not mount: nothing is tested with a full disk");
        }
        mount.then(|| Self { folder: folder.to_owned() })
    }

    /// Fills it but for so many bytes.
    pub(crate) fn fill(&self, left: u64) {
        let free = rustix::fs::statvfs(&self.folder).map(|disk| disk.f_bavail * disk.f_frsize).unwrap();
        let size = usize::try_from(free.saturating_sub(left)).unwrap();
        std::fs::write(self.folder.join("filler"), vec![0; size]).unwrap();
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.folder.join("filler")).unwrap();
    }

    /// Lets nobody write any more.
    pub(crate) fn read_only(&self) {
        assert!(run(Command::new("mount").args(["-o", "remount,ro"]).arg(&self.folder)));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(&self.folder));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// In a container root may lack the right.
fn may_mount() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default();
    // CAP_SYS_ADMIN
    bits & (1 << 21) != 0
}
