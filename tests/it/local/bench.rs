//! What the tests of this room stand on: a folder, a life, runners for it, and waiting for a condition.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use previewbot::domain::change::{ForgeKind, Repository, RepositoryId};
use previewbot::domain::environment::LifeId;
use previewbot::domain::error::PortResult;
use previewbot::domain::ports::{CheckoutLimits, HookCommand, HookOutcome, HookRunner, SystemRandom};
use previewbot::outbound::clock::OsRandom;
use previewbot::outbound::supervisor::{LocalHookRunner, RunnerOptions, life_folder};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The commit that runners and hooks are for.
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";

/// A checkout of any size.
pub(crate) const BOUNDLESS: CheckoutLimits = CheckoutLimits { files: u64::MAX, bytes: u64::MAX };

/// A new life.
pub(crate) fn life() -> LifeId {
    LifeId(OsRandom.uuid())
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A folder with one environment's life in it. What its hooks left is ended with it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) life: LifeId,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), life: life() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn options(&self, epoch: i64) -> RunnerOptions {
        RunnerOptions {
            root: self.path("previews"),
            life: self.life,
            epoch,
            run_as: None,
            commit: Some(COMMIT.to_owned()),
        }
    }

    pub(crate) async fn runner(&self, epoch: i64) -> LocalHookRunner {
        LocalHookRunner::take_over(self.options(epoch)).await.unwrap()
    }

    /// A hook that runs in the bench's folder.
    pub(crate) fn hook(&self, step: &str, script: &str) -> HookCommand {
        HookCommand {
            step: step.to_owned(),
            script: script.to_owned(),
            directory: self.folder.path().to_string_lossy().into_owned(),
            environment: BTreeMap::from([("PREVIEWCTL_COMMIT".to_owned(), COMMIT.to_owned())]),
            timeout: PATIENCE,
            fingerprint: script.to_owned(),
            killable: true,
            prints_values: false,
        }
    }

    /// Runs a script with a runner of its own.
    pub(crate) async fn run(&self, script: &str) -> PortResult<HookOutcome> {
        self.runner(1).await.run(&self.hook("step", script), &CancellationToken::new()).await
    }

    /// The life's folder.
    pub(crate) fn life_folder(&self) -> PathBuf {
        life_folder(&self.path("previews"), self.life)
    }

    /// The number that a script wrote into a file.
    pub(crate) async fn pid(&self, file: &str) -> i32 {
        let path = self.path(file);
        let read = || std::fs::read_to_string(&path).unwrap_or_default().trim().parse::<i32>();
        until(&format!("a number in {file}"), || read().is_ok()).await;
        read().unwrap()
    }
}

/// Whether a process lives (a zombie does not).
pub(crate) fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

/// Runs git for the test itself, apart from any configuration of the machine.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    git_with(folder, arguments, "")
}

/// The same with an input.
pub(crate) fn git_with(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.com");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository of the forge at `<folder>/acme/shop.git`, with one commit.
pub(crate) fn forge_repository(folder: &Path) -> (Repository, PathBuf) {
    let path = folder.join("acme").join("shop.git");
    std::fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    let name = "acme/shop".parse().unwrap();
    let repository = Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: None };
    (repository, path)
}

/// Commits these files and returns the commit's id.
pub(crate) fn commit(repository: &Path, files: &[(&str, &str)]) -> previewbot::domain::change::Sha {
    for (name, content) in files {
        let path = repository.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    git(repository, &["add", "--all"]);
    git(repository, &["commit", "--quiet", "--allow-empty", "-m", "a change"]);
    git(repository, &["rev-parse", "HEAD"]).parse().unwrap()
}
