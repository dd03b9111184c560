//! The last net: web servers of previews that a failed demo would leave behind, found in the process table.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing of ours lies deeper.
const DEEPEST: usize = 8;

/// Folders below `root` that are checkouts of the sample in an environment of this name.
pub(super) fn checkouts(root: &Path, environment: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(root, DEEPEST, &mut |folder| {
        if folder.file_name().is_some_and(|name| name == environment) && folder.join("previewctl.yaml").exists() {
            found.push(folder.to_owned());
        }
    });
    found
}

/// Ends every web server that a preview below `root` left running; how many there were.
pub(super) fn end_servers(root: &Path) -> usize {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours = pids.filter_map(Pid::from_raw).filter(|pid| is_ours(*pid, &root));
    ours.filter(|pid| kill_process(*pid, Signal::KILL).is_ok()).count()
}

/// Whether the process is a web server that works below `root`: nobody else's may be touched.
fn is_ours(pid: Pid, root: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let is_site = fs::read(process.join("cmdline"))
        .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == b"demo-site"));
    // The folder's name says "(deleted)" when it is gone, and still starts like this.
    is_site && fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(root))
}

fn walk(folder: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) {
    visit(folder);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        walk(&entry.path(), depth - 1, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::{Command, Stdio};

    fn sleeper(folder: &Path, name: &str) -> std::process::Child {
        // `$0` is the only place where a shell can bear a name.
        let mut command = Command::new("sh");
        command.args(["-c", "read line", name]).current_dir(folder).stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn only_web_servers_below_the_folder_are_ended() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut ours = sleeper(folder.path(), "demo-site");
        let mut spared = [sleeper(folder.path(), "other"), sleeper(elsewhere.path(), "demo-site")];
        let ready = |child: &std::process::Child| {
            let line = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
            line.starts_with(b"sh\0")
        };
        while !(ready(&ours) && spared.iter().all(ready)) {
            std::thread::yield_now();
        }

        assert_eq!(end_servers(folder.path()), 1);
        assert!(!ours.wait().unwrap().success());
        for child in &mut spared {
            assert_eq!(child.try_wait().unwrap(), None, "somebody else's process goes on");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_checkout_is_told_by_its_name_and_its_project_file() {
        let folder = tempfile::tempdir().unwrap();
        let checkout = folder.path().join("guestbook/pr-1");
        fs::create_dir_all(&checkout).unwrap();
        assert_eq!(checkouts(folder.path(), "pr-1"), Vec::<PathBuf>::new());
        fs::write(checkout.join("previewctl.yaml"), "version: 1").unwrap();
        assert_eq!(checkouts(folder.path(), "pr-1"), [checkout]);
        assert_eq!(checkouts(folder.path(), "pr-2"), Vec::<PathBuf>::new());
    }
}
