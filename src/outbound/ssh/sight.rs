//! What is seen of a run on a host.

use crate::domain::ports::{HookExit, HookOutcome};
use crate::domain::redact::Redactor;
use crate::outbound::supervisor::{Record, last_lines, without_half_a_line};

/// Standard output that is handed over for parsing, in bytes.
const PARSED: usize = 1024 * 1024;
/// Standard error that is read for its last lines, in bytes.
const TAIL: usize = 16 * 1024;

/// How a run was found at one look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The hook ended.
    Ended {
        /// How.
        exit: HookExit,
        /// What it printed.
        outputs: Outputs,
    },
    /// It goes on.
    Running,
    /// Its supervisor is gone and left no word.
    Gone,
    /// It printed too much.
    TooLarge,
    /// Its time is over.
    TooSlow,
    /// It is to be stopped.
    Cancelled,
}

/// The ends of both outputs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outputs {
    stdout: String,
    truncated: bool,
    stderr: String,
    /// Whether there is more than these ends.
    pub(super) partial: bool,
}

impl Sight {
    /// Reads what `look.sh` printed.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let (first, rest) = line(bytes);
        match first.split(' ').collect::<Vec<_>>()[..] {
            ["running"] => Self::Running,
            ["large"] => Self::TooLarge,
            ["exit", code] => match code.parse() {
                Ok(code) => Self::Ended { exit: Record::exit(code), outputs: Outputs::parse(rest) },
                Err(_) => Self::Gone,
            },
            _ => Self::Gone,
        }
    }
}

impl Outputs {
    fn parse(bytes: &[u8]) -> Self {
        let (length, rest) = line(bytes);
        let at = length.trim().parse::<usize>().unwrap_or(0).min(rest.len());
        let (stdout, stderr) = rest.split_at(at);
        let (stdout, truncated) = without_half_a_line(stdout, PARSED);
        let (stderr, cut) = without_half_a_line(stderr, TAIL);
        Self { stdout, truncated, stderr, partial: truncated || cut }
    }

    /// Both outputs with secrets masked, when there are any in them.
    pub(super) fn masked(&self, redactor: &Redactor) -> Option<(String, String)> {
        let masked = (redactor.redact(&self.stdout), redactor.redact(&self.stderr));
        (masked.0 != self.stdout || masked.1 != self.stderr).then_some(masked)
    }

    /// As the Manager is told of it.
    pub(super) fn outcome(self, exit: HookExit) -> HookOutcome {
        let tail = last_lines(&self.stdout, &self.stderr);
        HookOutcome { exit, stdout: self.stdout, truncated: self.truncated, tail }
    }
}

/// The first line, and what is behind it.
fn line(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let rest = bytes.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_read() {
        assert_eq!(Sight::parse(b"running\n"), Sight::Running);
        assert_eq!(Sight::parse(b"gone\n"), Sight::Gone);
        assert_eq!(Sight::parse(b""), Sight::Gone);
        assert_eq!(Sight::parse(b"large\n"), Sight::TooLarge);
        let Sight::Ended { exit, outputs } = Sight::parse(b"exit 137\n4\nA=1\nno\n") else { panic!("not ended") };
        assert_eq!(exit, HookExit::Signal(9));
        let outcome = outputs.outcome(exit);
        assert_eq!((outcome.stdout.as_str(), outcome.truncated), ("A=1\n", false));
        assert_eq!(outcome.tail, ["A=1", "no"]);
    }

    #[test]
    fn secrets_in_either_output_are_masked_in_both() {
        let outputs = Outputs::parse(b"2\na\nhidden-value\n");
        assert_eq!(outputs.masked(&Redactor::new([])), None);
        let masked = outputs.masked(&Redactor::new(["hidden-value".to_owned()])).unwrap();
        assert_eq!(masked, ("a\n".to_owned(), "********\n".to_owned()));
    }
}
