//! What a hook prints, passed on line by line while it runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use super::lines::{Lines, Veil};
use crate::domain::ports::{HookCommand, HookOutput};
use crate::domain::redact::Redactor;

/// How much is read at one look, in bytes: whoever prints faster is shown with a delay, not from memory.
const AT_ONE_LOOK: u64 = 1024 * 1024;

/// Follows both outputs of one run.
pub(super) struct Follower<'a> {
    output: &'a Arc<dyn HookOutput>,
    redactor: &'a Redactor,
    command: &'a HookCommand,
    files: Vec<Followed>,
}

/// One output: where it was read to, and what was not passed on yet.
struct Followed {
    file: File,
    position: u64,
    lines: Lines,
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
            Some(Followed { file, position: 0, lines: Lines::default() })
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
        let veil = Veil { redactor: self.redactor, hides_values: self.command.prints_values };
        for line in self.files[index].lines.take(veil, all) {
            self.output.line(&self.command.step, &line);
        }
    }
}

impl Followed {
    /// Reads a piece; false when there was nothing new.
    fn read(&mut self) -> io::Result<bool> {
        self.file.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(AT_ONE_LOOK).read_to_end(&mut bytes)?;
        self.position += bytes.len() as u64;
        self.lines.add(&bytes);
        Ok(!bytes.is_empty())
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
