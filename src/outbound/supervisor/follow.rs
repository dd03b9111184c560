//! What a hook prints, passed on line by line while it runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::domain::hook;
use crate::domain::ports::{HookCommand, HookOutput};
use crate::domain::redact::Redactor;

/// How much is read at one look, in bytes: whoever prints faster is shown with a delay, not from memory.
const AT_ONE_LOOK: u64 = 1024 * 1024;
/// How long a line may become before it is passed on in pieces, in bytes.
const LONGEST_LINE: usize = 16 * 1024;

/// Follows both outputs of one run.
pub(super) struct Follower<'a> {
    output: &'a Arc<dyn HookOutput>,
    redactor: &'a Redactor,
    command: &'a HookCommand,
    files: Vec<Followed>,
}

/// One output: where it was read to, and the line that has no end yet.
struct Followed {
    file: File,
    position: u64,
    unfinished: Vec<u8>,
}

impl<'a> Follower<'a> {
    /// Follows the outputs in a run's folder from their beginning.
    pub(super) fn new(
        run: &Path,
        output: &'a Arc<dyn HookOutput>,
        redactor: &'a Redactor,
        command: &'a HookCommand,
    ) -> Self {
        let open = |name: &&str| {
            let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
            let file = OpenOptions::new().read(true).custom_flags(flags).open(run.join(name)).ok()?;
            Some(Followed { file, position: 0, unfinished: Vec::new() })
        };
        let files = ["stdout", "stderr"].iter().filter_map(open).collect();
        Self { output, redactor, command, files }
    }

    /// Passes on what is new. An output that cannot be read is not worth failing a hook for.
    pub(super) fn look(&mut self) {
        for index in 0..self.files.len() {
            while let Ok(true) = self.files[index].read() {
                self.pass_on(index, false);
            }
        }
    }

    /// The run has ended: a line without an end is one all the same.
    pub(super) fn finish(mut self) {
        self.look();
        for index in 0..self.files.len() {
            self.pass_on(index, true);
        }
    }

    fn pass_on(&mut self, index: usize, all: bool) {
        for line in self.files[index].take_lines(all) {
            let line = self.redactor.redact(line.trim_end_matches('\r'));
            let line = if self.command.prints_values { hook::display_line(&line) } else { line };
            self.output.line(&self.command.step, &line);
        }
    }
}

impl Followed {
    /// Reads a piece; false when there was nothing new.
    fn read(&mut self) -> io::Result<bool> {
        self.file.seek(SeekFrom::Start(self.position))?;
        let count = (&mut self.file).take(AT_ONE_LOOK).read_to_end(&mut self.unfinished)?;
        self.position += count as u64;
        Ok(count > 0)
    }

    fn take_lines(&mut self, all: bool) -> Vec<String> {
        let mut lines = Vec::new();
        let mut rest = self.unfinished.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            lines.push(String::from_utf8_lossy(&rest[..end]).into_owned());
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() && (all || rest.len() > LONGEST_LINE) {
            lines.push(String::from_utf8_lossy(rest).into_owned());
            rest = &[];
        }
        self.unfinished = rest.to_vec();
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl HookOutput for Seen {
        fn line(&self, step: &str, line: &str) {
            self.0.lock().unwrap().push(format!("{step}: {line}"));
        }
    }

    #[test]
    fn lines_are_passed_on_whole_masked_and_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stdout", "stderr"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let append = |name: &str, text: &str| {
            let mut file = OpenOptions::new().append(true).open(folder.path().join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let seen = Arc::new(Seen::default());
        let output: Arc<dyn HookOutput> = seen.clone();
        let redactor = Redactor::new(["hidden-value".to_owned()]);
        let command = HookCommand { step: "seed_db".to_owned(), prints_values: true, ..HookCommand::default() };
        let mut follower = Follower::new(folder.path(), &output, &redactor, &command);
        append("stdout", "one\nhid");
        follower.look();
        append("stdout", "den-value\r\nURL=x\nlast");
        append("stderr", "trouble\n");
        follower.look();
        follower.finish();
        let lines = seen.0.lock().unwrap().clone();
        let expected = ["one", "********", "URL=********", "trouble", "last"];
        assert_eq!(lines, expected.map(|line| format!("seed_db: {line}")));
    }
}
