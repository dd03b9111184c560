//! Env files, as a POSIX shell and Docker Compose read them.

use previewbot::domain::render::env_file::render;
use serde_json::Value;

use super::checks::{Verdict, ensure};
use super::vectors::{Answer, Vector};
use crate::env_readers::{Variables, composed, sourced};

/// Stands in recorded texts for one comment line.
const HEADER: &str = "#<generated-header>";

/// Held to the values, and where they need no quotes to the bytes: some recorded texts would be other values in a
/// shell.
pub(super) fn env_file(vector: &Vector, answer: &Answer) -> Verdict {
    let variables: Variables = vector.part_or_default("env");
    let text = render(&variables);
    let (header, lines) = text.split_once('\n').unwrap_or_default();
    ensure(header.starts_with('#'), format!("no comment line: {text:?}"))?;
    let recorded = match answer {
        Answer::Value(Value::String(recorded)) => recorded.strip_prefix(HEADER).map(str::trim_start),
        Answer::Roundtrip(_) | Answer::Requirement(_) => None,
        other => return Err(format!("{other:?} is no answer for an env file")),
    };
    let wanted = if let Answer::Roundtrip(wanted) = answer { wanted } else { &variables };
    come_back(&text, wanted)?;
    // A recorded text writes values as they are; quoted, they are other bytes but the same values.
    let raw: String = variables.iter().flat_map(|(name, value)| [name, "=", value, "\n"]).collect();
    let quoted = lines.lines().any(|line| line.contains(['\'', '"']));
    let fits = |recorded: &str| recorded == lines || (quoted && recorded == raw);
    ensure(recorded.is_none_or(fits), format!("other text: {lines:?}"))
}

fn come_back(text: &str, wanted: &Variables) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vector.env");
    std::fs::write(&file, text).unwrap();
    let read = sourced(&file);
    ensure(read == *wanted, format!("a shell reads {read:?} of {text:?}"))?;
    let composed = composed(folder.path(), &file);
    ensure(composed.as_ref().is_none_or(|read| read == wanted), format!("Compose reads {composed:?} of {text:?}"))
}
