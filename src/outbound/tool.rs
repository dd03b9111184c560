//! Runs the programs that adapters need (git, docker): cleared environment, bounded time and output, and the whole
//! process group killed when the caller gives up, for whatever reason.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::supervisor::{allowed_variables, kill_group};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::LineSink;

/// Most that is kept of one output, in bytes; the rest is read and dropped, so that the program is not held up.
const OUTPUT_LIMIT: usize = 32 * 1024 * 1024;
/// Longest piece of a streamed line that is handed over at a time, in bytes.
const LINE_LIMIT: u64 = 256 * 1024;

/// A program to run.
#[derive(Clone, Default)]
pub struct Tool {
    /// Its name, looked for in `PATH`.
    pub program: &'static str,
    /// The file that is run instead of what `PATH` has.
    pub file: Option<PathBuf>,
    /// Its arguments: never a secret.
    pub arguments: Vec<String>,
    /// Variables beside the allowlist.
    pub environment: BTreeMap<String, String>,
    /// Its home, which is made where it is missing.
    pub home: Option<PathBuf>,
    /// Where it runs; `None`: in `/`.
    pub directory: Option<PathBuf>,
    /// When to give up.
    pub timeout: Duration,
}

/// What a program left.
#[derive(Debug)]
pub struct Output {
    succeeded: bool,
    /// Standard output.
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    /// What a program on another machine left.
    pub(super) fn of(succeeded: bool, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        Self { succeeded, stdout, stderr }
    }

    /// Whether it ended with exit code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.succeeded
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, without blank space around it.
    pub(super) fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// Kills the group of a program that was not waited for to its end.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// Ends the group for good: whoever is told that the work is over may touch the same files at once.
    async fn end(mut self) {
        if let Some(pid) = self.0 {
            kill_group(pid).await;
            self.0 = None;
        }
    }

    /// The program ended by itself.
    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Already gone is fine.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Tool {
    /// Runs it to its end.
    ///
    /// # Errors
    /// `Invalid` when the program is not installed, `TimedOut`, `Cancelled`; how it ended is the caller's to judge.
    pub(super) async fn run(self, cancel: &CancellationToken) -> PortResult<Output> {
        let name = self.program;
        let mut child = self.spawn().map_err(|error| not_run(name, error))?;
        let group = Group::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let finished = async {
            let (stdout, stderr, status) = tokio::join!(collect(stdout), collect(stderr), child.wait());
            Ok::<_, io::Error>(Output::of(status?.success(), stdout?, stderr?))
        };
        let output = self.within_limits(finished, cancel).await;
        if output.is_ok() {
            group.let_go();
        } else {
            group.end().await;
        }
        output
    }

    /// Runs it and hands over each line of both outputs as it is printed, until it ends, `line` says that it has
    /// enough, or the work is cancelled; then its group is killed. Returns its complaints when it ended badly.
    ///
    /// # Errors
    /// `Invalid` when the program is not installed, `TimedOut`, `Cancelled`.
    pub(super) async fn stream(
        self,
        cancel: &CancellationToken,
        sink: &dyn LineSink,
    ) -> PortResult<Option<String>> {
        let name = self.program;
        let mut child = self.spawn().map_err(|error| not_run(name, error))?;
        let group = Group::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // `Err(None)`: enough; nothing more is waited for then.
        let handed = async { if lines(stdout, sink).await.map_err(Some)? { Err(None) } else { Ok(()) } };
        let complaining = async { collect(stderr).await.map_err(Some) };
        let ended = async {
            let complaint = match tokio::try_join!(handed, complaining) {
                Ok(((), complaint)) => complaint,
                Err(None) => return Ok(None),
                Err(Some(error)) => return Err(error),
            };
            let status = child.wait().await?;
            Ok((!status.success()).then(|| String::from_utf8_lossy(&complaint).trim().to_owned()))
        };
        let ended = self.within_limits(ended, cancel).await;
        group.end().await;
        ended
    }

    async fn within_limits<T>(
        &self,
        work: impl Future<Output = io::Result<T>>,
        cancel: &CancellationToken,
    ) -> PortResult<T> {
        let name = self.program;
        let worked = tokio::select! {
            worked = tokio::time::timeout(self.timeout, work) => worked,
            () = cancel.cancelled() => {
                return Err(PortError::new(ErrorKind::Cancelled, format!("`{name}` was cancelled")));
            }
        };
        worked
            .map_err(|_| too_slow(name, self.timeout))?
            .map_err(|error| PortError::with_source(ErrorKind::Unavailable, format!("`{name}` failed"), error))
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = self.file.as_ref().map_or_else(|| Command::new(self.program), Command::new);
        command.args(&self.arguments).env_clear().envs(allowed_variables());
        // Messages are read by this program: they must not depend on the operator's language.
        command.env("LC_ALL", "C").envs(&self.environment);
        if let Some(home) = &self.home {
            std::fs::create_dir_all(home)?;
            command.env("HOME", home);
        }
        command.current_dir(self.directory.as_deref().unwrap_or(std::path::Path::new("/")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.spawn()
    }
}

fn not_run(name: &str, error: io::Error) -> PortError {
    let kind = if error.kind() == io::ErrorKind::NotFound { ErrorKind::Invalid } else { ErrorKind::Unavailable };
    PortError::with_source(kind, format!("cannot run `{name}`: is it installed on this machine?"), error)
}

fn too_slow(name: &str, limit: Duration) -> PortError {
    PortError::new(ErrorKind::TimedOut, format!("`{name}` took longer than {limit:?}"))
}

/// Hands over line after line; whether the taker had enough before the end.
async fn lines(output: Option<impl AsyncRead + Unpin>, sink: &dyn LineSink) -> io::Result<bool> {
    let Some(output) = output else { return Ok(false) };
    let mut reader = BufReader::new(output);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        // A line without an end must not fill the memory.
        let read = (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut bytes).await?;
        if read == 0 {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&bytes);
        if !sink.line(text.trim_end_matches(['\r', '\n'])) {
            return Ok(true);
        }
    }
}

async fn collect(output: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let Some(mut output) = output else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match output.read(&mut buffer).await? {
            0 => return Ok(kept),
            count => {
                let room = OUTPUT_LIMIT - kept.len();
                kept.extend_from_slice(&buffer[..count.min(room)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that the program below holds: what the kernel must take back keeps it alive for a while after its kill.
    const HELD: usize = 256 * 1024 * 1024;

    /// A shell that prints the number of its child, which holds much memory and goes on for ever.
    fn heavy(folder: &std::path::Path) -> Tool {
        let script =
            format!("dd if=/dev/zero of=/dev/null bs={HELD} 2>/dev/null & echo $! >child; cat child; wait");
        Tool {
            program: "sh",
            arguments: vec!["-c".to_owned(), script],
            directory: Some(folder.to_owned()),
            timeout: Duration::from_mins(1),
            ..Tool::default()
        }
    }

    fn read(pid: &str, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
    }

    fn is_heavy(pid: &str) -> bool {
        let status = read(pid, "status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        resident.is_some_and(|kilobytes| kilobytes.parse::<usize>().unwrap() * 1024 >= HELD / 2)
    }

    fn lives(pid: &str) -> bool {
        read(pid, "stat").rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }

    /// Has enough once the child that it is told of is heavy.
    struct Heavy(std::sync::Mutex<String>);

    impl LineSink for Heavy {
        fn line(&self, line: &str) -> bool {
            while !is_heavy(line) {
                std::thread::yield_now();
            }
            line.clone_into(&mut self.0.lock().unwrap());
            false
        }
    }

    #[tokio::test]
    async fn nothing_lives_on_after_enough_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let seen = Heavy(std::sync::Mutex::new(String::new()));
        let ended = heavy(folder.path()).stream(&CancellationToken::new(), &seen).await;
        assert!(ended.unwrap().is_none());
        assert!(!lives(&seen.0.lock().unwrap()));
    }

    #[tokio::test]
    async fn nothing_lives_on_after_a_cancelled_run() {
        let folder = tempfile::tempdir().unwrap();
        let child = || std::fs::read_to_string(folder.path().join("child")).unwrap_or_default().trim().to_owned();
        let cancel = CancellationToken::new();
        let stop = async {
            while !is_heavy(&child()) {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let (ended, ()) = tokio::join!(heavy(folder.path()).run(&cancel), stop);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(!lives(&child()));
    }
}
