//! The difference between two texts, line by line.

use serde::Serialize;
use similar::{Algorithm, ChangeTag, TextDiff};

/// One line that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "change", content = "line")]
pub enum LineChange {
    /// It is only in the old text.
    Removed(String),
    /// It is only in the new text.
    Added(String),
}

impl std::fmt::Display for LineChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Removed(line) => write!(f, "- {line}"),
            Self::Added(line) => write!(f, "+ {line}"),
        }
    }
}

/// The lines that differ, in order. Line breaks at the end of a text do not count.
#[must_use]
pub fn line_diff(old: &str, new: &str) -> Vec<LineChange> {
    let (old, new) = (old.trim_end_matches('\n'), new.trim_end_matches('\n'));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let difference = TextDiff::configure().algorithm(Algorithm::Myers).diff_slices(&old, &new);
    let change = |change: similar::Change<&str>| match change.tag() {
        ChangeTag::Delete => Some(LineChange::Removed(change.value().to_owned())),
        ChangeTag::Insert => Some(LineChange::Added(change.value().to_owned())),
        ChangeTag::Equal => None,
    };
    difference.iter_all_changes().filter_map(change).collect()
}
