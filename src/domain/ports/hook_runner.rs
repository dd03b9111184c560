use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::error::PortResult;

/// A shell text to run under the supervisor.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HookCommand {
    /// The step that it belongs to; names the run's files.
    pub step: String,
    /// Shell text for `sh -c`.
    pub script: String,
    /// Working directory: absolute for the bot's own hooks, relative to the root through a compute access.
    pub directory: String,
    /// Variables; the process gets these, an allowlist (`PATH`, `LANG`, …), its own `HOME` and `TMPDIR`, and nothing else.
    pub environment: BTreeMap<String, String>,
    /// When to give up.
    pub timeout: Duration,
    /// Hash of everything that the run depends on: a live run of the same step with the same fingerprint is adopted.
    pub fingerprint: String,
    /// Whether a cancellation may kill it; otherwise it ends first.
    pub killable: bool,
    /// Whether it prints `NAME=value` outputs, whose values nobody is shown.
    pub prints_values: bool,
}

impl std::fmt::Debug for HookCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets, the script may quote them: names only.
        f.debug_struct("HookCommand")
            .field("step", &self.step)
            .field("directory", &self.directory)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// How a hook's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookExit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What a hook left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOutcome {
    /// How it ended.
    pub exit: HookExit,
    /// Its standard output, at most 1 MiB of it (the head is cut, since outputs come last), for output parsing.
    pub stdout: String,
    /// Whether `stdout` was cut.
    pub truncated: bool,
    /// The last lines of both outputs, at most 15, not yet redacted.
    pub tail: Vec<String>,
}

impl HookOutcome {
    /// Whether it ended with exit code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.exit == HookExit::Code(0)
    }
}

/// Who is shown what hooks print while they run.
pub trait HookOutput: Send + Sync {
    /// One line of either output, masked, without its line break.
    fn line(&self, step: &str, line: &str);
}

/// Runs hooks so that they can be found, adopted or killed with all their children after any crash.
#[async_trait]
pub trait HookRunner: Send + Sync {
    /// Runs the hook to its own end (a daemon that it leaves behind does not hold it up) and returns how it ended;
    /// a non-zero exit is not an error here.
    ///
    /// # Errors
    /// `TimedOut` and `Cancelled` after the whole process group was killed; `Fenced` when a newer epoch took over.
    async fn run(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome>;

    /// The job's work is over: runs of former epochs that it did not ask for are ended.
    ///
    /// # Errors
    /// `Fenced` when a newer epoch took over, whose the runs are now; `Unavailable` when one cannot be ended.
    async fn settle(&self) -> PortResult<()> {
        Ok(())
    }
}
