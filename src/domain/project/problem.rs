//! What is wrong with a project's files, as people and machines are told it.

use std::fmt;

use serde::Serialize;

/// Problems that are told of one project; more would help nobody.
const MOST: usize = 500;

/// Problems that are told in one sentence.
const MOST_IN_A_SENTENCE: usize = 5;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but not all of it means what it seems to mean.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong, with its place where that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Kind name of the spec (`unknown_field`, `service_missing_path`, …).
    pub kind: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Path of the file from the project root.
    pub file: String,
    /// Line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in characters, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// How many characters of that line are at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Dotted place in the configuration, `services.web.env.PORT`; empty for the file as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it, or the nearest known name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Problem {
    /// An error about a file as a whole.
    #[must_use]
    pub fn of_file(kind: &'static str, file: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            severity: Severity::Error,
            file: file.to_owned(),
            line: None,
            column: None,
            length: None,
            place: String::new(),
            message: message.into(),
            help: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong and what to do, without the place.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.help {
            Some(help) => format!("{}; {help}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", self.sentence())
    }
}

/// All that is wrong, in the order of the files and their lines, each thing once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Puts problems in order; `files` in the order in which they were read.
    #[must_use]
    pub fn in_order(mut problems: Vec<Problem>, files: &[String]) -> Self {
        let rank = |problem: &Problem| files.iter().position(|file| *file == problem.file);
        problems.sort_by_cached_key(|p| (rank(p).unwrap_or(files.len()), p.line, p.column, p.severity));
        let mut seen = std::collections::HashSet::new();
        problems.retain(|p| seen.insert((p.kind, p.file.clone(), p.line, p.place.clone(), p.message.clone())));
        if problems.len() > MOST {
            // Warnings go first, so that no error hides behind them.
            problems.sort_by_key(|problem| problem.severity);
            problems.truncate(MOST);
            problems.sort_by_cached_key(|p| (rank(p).unwrap_or(files.len()), p.line, p.column, p.severity));
        }
        Self(problems)
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of this severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Whether the configuration cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// The first error.
    #[must_use]
    pub fn first_error(&self) -> Option<&Problem> {
        self.0.iter().find(|problem| problem.severity == Severity::Error)
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    /// The first errors, with the number of all when there are several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.iter().filter(|problem| problem.severity == Severity::Error);
        let told: Vec<String> = errors.take(MOST_IN_A_SENTENCE).map(ToString::to_string).collect();
        match self.count(Severity::Error) {
            0 => f.write_str("nothing is wrong"),
            1 => f.write_str(&told[0]),
            count => {
                write!(f, "the configuration has {count} problems: {}", told.join("; "))?;
                let more = count - told.len();
                if more > 0 { write!(f, "; and {more} more") } else { Ok(()) }
            }
        }
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, line: u64, message: &str) -> Problem {
        Problem { line: Some(line), column: Some(1), ..Problem::of_file("k", file, message) }
    }

    #[test]
    fn problems_come_in_the_order_of_the_files_each_once() {
        let all = vec![at("b", 1, "x"), at("a", 9, "x"), at("a", 2, "x"), at("a", 2, "x")];
        let problems = Problems::in_order(all, &["a".to_owned(), "b".to_owned()]);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a:2:1: x", "a:9:1: x", "b:1:1: x"]);
    }

    #[test]
    fn a_flood_of_warnings_hides_no_error() {
        let warning = |line| Problem { severity: Severity::Warning, ..at("a", line, "w") };
        let mut all: Vec<Problem> = (0..2 * MOST as u64).map(warning).collect();
        all.push(at("a", 9_999, "the error"));
        let problems = Problems::in_order(all, &["a".to_owned()]);
        assert_eq!((problems.iter().count(), problems.count(Severity::Error)), (MOST, 1));
    }
}
