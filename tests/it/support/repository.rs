//! Real git repositories for tests: a bare one that stands on "the forge", and commits made in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use previewbot::domain::change::Sha;
use tempfile::TempDir;

/// A bare repository, and a working clone to make commits with.
pub(crate) struct TestRepository {
    folder: TempDir,
}

impl TestRepository {
    /// An empty bare repository called `<name>.git` below a temporary folder.
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let this = Self { folder };
        let bare = this.bare(name);
        std::fs::create_dir_all(&bare).unwrap();
        git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        let work = this.work();
        std::fs::create_dir_all(&work).unwrap();
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
        this
    }

    /// The folder that holds the bare repository: the `git_url` of settings, as a path.
    pub(crate) fn base(&self) -> PathBuf {
        self.folder.path().join("forge")
    }

    /// The bare repository of this name.
    pub(crate) fn bare(&self, name: &str) -> PathBuf {
        self.base().join(format!("{name}.git"))
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Commits these files (text; `None` removes) on top of `branch`, made from `main` when it is new, and pushes it.
    /// Files that begin with `#!` are executable.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, Option<&str>)]) -> Sha {
        self.check_out(branch);
        for (path, text) in files {
            write(&self.work().join(path), *text);
        }
        self.publish(branch)
    }

    /// The same for one file that is no text.
    pub(crate) fn commit_bytes(&self, branch: &str, path: &str, bytes: &[u8]) -> Sha {
        self.check_out(branch);
        std::fs::write(self.work().join(path), bytes).unwrap();
        self.publish(branch)
    }

    fn check_out(&self, branch: &str) {
        let work = self.work();
        let exists = git_ok(&work, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]);
        if exists {
            git(&work, &["checkout", "--quiet", "--force", &format!("refs/heads/{branch}")]);
        } else if git_ok(&work, &["rev-parse", "--verify", "--quiet", "refs/heads/main"]) {
            git(&work, &["checkout", "--quiet", "--force", "--detach", "refs/heads/main"]);
        }
    }

    fn publish(&self, branch: &str) -> Sha {
        let work = self.work();
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "--allow-empty", "--message", &format!("Change {branch}")]);
        let sha = git(&work, &["rev-parse", "HEAD"]);
        git(&work, &["update-ref", &format!("refs/heads/{branch}"), &sha]);
        git(&work, &["push", "--quiet", "--force", "origin", &format!("refs/heads/{branch}:refs/heads/{branch}")]);
        sha.parse().unwrap()
    }
}

fn write(path: &Path, text: Option<&str>) {
    let Some(text) = text else {
        std::fs::remove_file(path).unwrap();
        return;
    };
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    if text.starts_with("#!") {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "Test"), ("GIT_AUTHOR_EMAIL", "test@example.invalid")])
        .envs([("GIT_COMMITTER_NAME", "Test"), ("GIT_COMMITTER_EMAIL", "test@example.invalid")]);
    command
}

/// Whether git says yes.
pub(crate) fn git_ok(folder: &Path, arguments: &[&str]) -> bool {
    command(folder, arguments).output().unwrap().status.success()
}

/// Runs git and returns what it printed, trimmed.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
