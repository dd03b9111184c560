//! What is known of a step's last run: a folder that outlives whoever started it.
//!
//! `record` (the bot's own), `script`, `stdout` and `stderr` (the hook's, in a folder of the bot's), `state/process`
//! and `state/exit` (written by the supervisor script), `collected` (the result was handed on). What the account of
//! the hooks may have written is believed only as far as it can harm that account alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::environment::{COMMIT_VARIABLE, RUN_MARKER};
use super::kept::KeptRun;
use super::owner::{UserIds, make_folder};
use super::process::{self, Marker, Selection};
use crate::domain::ports::{HookCommand, HookExit};

/// Longest file of the supervisor script that is read, in bytes.
const STATE_LIMIT: u64 = 256;
/// Signals are numbered 1 to 64; a shell tells a death by one as 128 and its number.
const SIGNAL_CODES: std::ops::RangeInclusive<i32> = 129..=192;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    step: String,
    fingerprint: String,
    run: Uuid,
    #[serde(default)]
    commit: Option<String>,
    /// Records of former versions do not tell: then values are hidden.
    #[serde(default = "yes")]
    prints_values: bool,
}

const fn yes() -> bool {
    true
}

/// A run and its folder.
#[derive(Debug, Clone)]
pub(super) struct Run {
    folder: PathBuf,
    record: Record,
}

impl Run {
    /// Makes the folder of a new run in place of the step's last one.
    pub(super) fn prepare(
        runs: &Path,
        command: &HookCommand,
        run: Uuid,
        owner: Option<UserIds>,
    ) -> io::Result<Self> {
        let folder = runs.join(folder_name(&command.step));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        make_folder(&folder, 0o711, None)?;
        make_folder(&folder.join("state"), 0o700, owner)?;
        for (name, content) in [("script", command.script.as_str()), ("stdout", ""), ("stderr", "")] {
            let path = folder.join(name);
            new_file(&path)?.write_all(content.as_bytes())?;
            owner.map_or(Ok(()), |owner| owner.own(&path))?;
        }
        let record = Record {
            step: command.step.clone(),
            fingerprint: command.fingerprint.clone(),
            run,
            commit: command.environment.get(COMMIT_VARIABLE).cloned(),
            prints_values: command.prints_values,
        };
        let text = serde_json::to_vec(&record)?;
        new_file(&folder.join("record.new"))?.write_all(&text)?;
        fs::rename(folder.join("record.new"), folder.join("record"))?;
        Ok(Self { folder, record })
    }

    /// The last run of every step, for looking at.
    pub(super) fn all(runs: &Path) -> io::Result<Vec<KeptRun>> {
        Self::found(runs)?.iter().map(KeptRun::new).collect()
    }

    /// Runs whose results nobody collected yet.
    pub(super) fn uncollected(runs: &Path) -> io::Result<Vec<Self>> {
        Ok(Self::found(runs)?.into_iter().filter(|run| !run.is_collected()).collect())
    }

    fn found(runs: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(runs)? {
            let folder = entry?.path();
            // A folder without a readable record is of a run that never began.
            let Ok(text) = fs::read(folder.join("record")) else { continue };
            let Ok(record) = serde_json::from_slice(&text) else { continue };
            found.push(Self { folder, record });
        }
        Ok(found)
    }

    /// The run's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its id, which its processes bear.
    pub(super) fn id(&self) -> Uuid {
        self.record.run
    }

    /// The step that it belongs to.
    pub(super) fn step(&self) -> &str {
        &self.record.step
    }

    /// Whether it prints outputs, whose values nobody is shown.
    pub(super) fn prints_values(&self) -> bool {
        self.record.prints_values
    }

    /// Whether it was started for this commit.
    pub(super) fn is_for(&self, commit: Option<&str>) -> bool {
        commit.is_some() && self.record.commit.as_deref() == commit
    }

    /// Whether it is of this step with the same inputs.
    pub(super) fn is_of(&self, command: &HookCommand) -> bool {
        self.record.step == command.step && self.record.fingerprint == command.fingerprint
    }

    /// A file that the run's process may append to.
    pub(super) fn output(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().append(true).custom_flags(refuse_links()).open(self.folder.join(name))
    }

    /// How the hook ended; `None` while that is not recorded. A shell does not tell `exit 137` from a death by
    /// signal 9; both count as the signal.
    pub(super) fn exit(&self) -> Option<HookExit> {
        let code: i32 = self.state("exit")?.trim().parse().ok()?;
        Some(if SIGNAL_CODES.contains(&code) { HookExit::Signal(code - 128) } else { HookExit::Code(code) })
    }

    /// Whether its supervisor lives: number, start time, boot and marker agree.
    pub(super) fn is_supervised(&self) -> bool {
        let Some((pid, start, boot)) = self.process() else { return false };
        boot == process::boot_id()
            && process::find(pid).is_some_and(|p| p.start == start)
            && self.marker().is_on(pid)
    }

    /// Everything that the run started and that can still be known.
    pub(super) fn processes(&self) -> Selection {
        // A group is believed only while its leader is ours: numbers are given out again.
        let group = if self.is_supervised() { self.process().map(|(pid, ..)| pid) } else { None };
        Selection { group, marker: self.marker() }
    }

    /// Its result was handed on: nobody adopts it any more.
    pub(super) fn collect(&self) -> io::Result<()> {
        File::create(self.folder.join("collected")).map(drop)
    }

    /// Whether nobody waits for its result any more.
    pub(super) fn is_collected(&self) -> bool {
        self.folder.join("collected").exists()
    }

    fn marker(&self) -> Marker {
        Marker::new(RUN_MARKER, self.record.run)
    }

    fn process(&self) -> Option<(i32, u64, String)> {
        let text = self.state("process")?;
        let mut words = text.split_whitespace();
        let (pid, start, boot) = (words.next()?, words.next()?, words.next()?);
        Some((pid.parse().ok().filter(|pid| *pid > 1)?, start.parse().ok()?, boot.to_owned()))
    }

    fn state(&self, name: &str) -> Option<String> {
        let path = self.folder.join("state").join(name);
        let file = OpenOptions::new().read(true).custom_flags(refuse_links()).open(path).ok()?;
        let mut text = String::new();
        file.take(STATE_LIMIT).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Neither a link nor a pipe without a writer may hold the bot up or lead it astray.
fn refuse_links() -> i32 {
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default()
}

/// A step's name as the name of a folder: what is not plain becomes `%` and two digits for each byte.
fn folder_name(step: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    step.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steps_name_cannot_leave_the_folder_of_runs() {
        assert_eq!(folder_name("seed_db-1"), "seed_db-1");
        assert_eq!(folder_name("../x y"), "%2e%2e%2fx%20y");
    }

    #[test]
    fn a_record_that_does_not_tell_hides_values() {
        let told = |prints_values| {
            let runs = tempfile::tempdir().unwrap();
            let command = HookCommand { step: "step".to_owned(), prints_values, ..HookCommand::default() };
            Run::prepare(runs.path(), &command, Uuid::nil(), None).unwrap();
            let path = runs.path().join("step/record");
            let read = || Run::all(runs.path()).unwrap()[0].prints_values;
            let now = read();
            let record = fs::read_to_string(&path).unwrap();
            let former = record.replace(&format!(",\"prints_values\":{prints_values}"), "");
            assert_ne!(former, record);
            fs::write(&path, former).unwrap();
            (now, read())
        };
        assert_eq!([told(true), told(false)], [(true, true), (false, true)]);
    }
}
