//! What is looked at to see whether previews can be made, what was found, and how to mend it.

pub mod host;
mod networks;
mod sandbox;

pub use networks::Networks;

use std::fmt;

use serde::Serialize;

/// How one look came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is well.
    Passed,
    /// It works, but not as well as it could.
    Warning,
    /// Previews will fail for it.
    Failed,
}

/// One look, as people and programs are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `settings`, `host vm-1`.
    pub subject: String,
    /// Which look it was: `docker`.
    pub check: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub said: String,
    /// What to do about it.
    pub mend: Option<String>,
}

/// What is thought of what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    verdict: Verdict,
    said: String,
    mend: Option<String>,
}

impl Judgement {
    /// All is well.
    pub fn passed(said: impl Into<String>) -> Self {
        Self { verdict: Verdict::Passed, said: said.into(), mend: None }
    }

    /// It could be better.
    pub fn warning(said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, said: said.into(), mend: Some(mend.into()) }
    }

    /// It must be mended.
    pub fn failed(said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, said: said.into(), mend: Some(mend.into()) }
    }

    /// The same as a finding.
    #[must_use]
    pub fn of(self, subject: &str, check: &'static str) -> Finding {
        let Self { verdict, said, mend } = self;
        Finding { subject: subject.to_owned(), check, verdict, said, mend }
    }
}

/// How many of them failed.
#[must_use]
pub fn failures(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.verdict == Verdict::Failed).count()
}

/// A number of bytes for people.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1024 * 1024;
        if self.0 < 1024 * MIB {
            return write!(f, "{} MiB", self.0 / MIB);
        }
        let tenths = self.0 / MIB * 10 / 1024;
        write!(f, "{}.{} GiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_what_people_count_in() {
        let shown = |bytes| Bytes(bytes).to_string();
        assert_eq!(shown(300 * 1024 * 1024), "300 MiB");
        assert_eq!(shown(1024 * 1024 * 1024), "1.0 GiB");
        assert_eq!(shown(12_347 * 1024 * 1024), "12.0 GiB");
        assert_eq!(shown(1_600 * 1024 * 1024), "1.5 GiB");
    }
}
