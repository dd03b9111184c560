//! The Go tool's `state.json` (spec §12), read and written: an environment may move from one tool to the other and back.
//!
//! What the Go tool wrote comes back byte for byte. What only we know is left out of what it reads.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::checkpoint::RecordStatus;
use super::entry::{EnvironmentEntry, STATE_VERSION, State, Status};
use super::manifest::go_json;

/// What a state file held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// The state. Each entry holds its step history in `audit_log`.
    pub state: State,
    /// What has no place here and was left out or changed, for people to read.
    pub notes: Vec<String>,
}

/// A state file that cannot be taken over. Nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// No JSON, or not of the state's shape.
    #[error("state file does not parse: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by something newer, or by nothing that we know.
    #[error(
        "state file has version {0}, only {STATE_VERSION} is known; update previewbot, or import from the tool that wrote it"
    )]
    Version(i64),
    /// One environment does not have an entry's shape.
    #[error("environment `{name}` in the state file does not parse: {source}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Where the Go tool keeps a project's state below a person's home folder; `None` for a project whose name would lead
/// elsewhere.
#[must_use]
pub fn state_path(home: &Path, project: &str) -> Option<PathBuf> {
    let inside = Path::new(project).components().all(|part| matches!(part, Component::Normal(_)));
    (inside && !project.is_empty()).then(|| home.join(".cache/previewctl").join(project).join("state.json"))
}

/// Reads the text of a state file. One without a version counts as version 0, as in the Go tool.
///
/// # Errors
/// See [`InterchangeError`].
pub fn import(text: &str) -> Result<Imported, InterchangeError> {
    let mut file: Map<String, Value> = serde_json::from_str(text)?;
    // The version comes first: an unknown one explains whatever else does not fit.
    let version = Option::<i64>::deserialize(file.remove("version").unwrap_or_default())?.unwrap_or_default();
    if !(0..=STATE_VERSION).contains(&version) {
        return Err(InterchangeError::Version(version));
    }
    let written = Option::<Map<String, Value>>::deserialize(file.remove("environments").unwrap_or_default())?;
    let mut notes: Vec<String> = file.keys().map(|key| unknown(key)).collect();
    let mut environments = BTreeMap::new();
    for (name, written) in written.unwrap_or_default() {
        match entry(&name, written, &mut notes) {
            Ok(entry) => environments.insert(name, entry),
            Err(source) => return Err(InterchangeError::Entry { name, source }),
        };
    }
    Ok(Imported { state: State { version, environments }, notes })
}

fn unknown(place: &str) -> String {
    format!("`{}` is not known here and is left out", place.escape_debug())
}

fn entry(name: &str, mut written: Value, notes: &mut Vec<String>) -> serde_json::Result<EnvironmentEntry> {
    let known = |status: &str| status.parse::<Status>().is_ok();
    if let Some(status) = written.get("status").and_then(Value::as_str).filter(|status| !known(status)) {
        // The Go tool keeps any text that was set as status.
        let shown = status.escape_debug();
        notes.push(format!("environment `{name}`: status `{shown}` is none of ours and becomes `error`"));
        written["status"] = Value::from(Status::Error.as_str());
    }
    drop_nulls(&mut written);
    let mut entry = EnvironmentEntry::deserialize(&written)?;
    if entry.name != name {
        let other = entry.name.escape_debug();
        notes.push(format!("environment `{name}` calls itself `{other}`; the name that it is kept under counts"));
        name.clone_into(&mut entry.name);
    }
    let mut lost = Vec::new();
    missing(&written, &serde_json::to_value(&entry)?, "", &mut lost);
    notes.extend(lost.iter().map(|place| format!("environment `{name}`: {}", unknown(place))));
    Ok(entry)
}

/// The Go tool takes `null` for any field as "not set".
fn drop_nulls(entry: &mut Value) {
    let drop_in = |fields: &mut Value| {
        if let Value::Object(fields) = fields {
            fields.retain(|_, value| !value.is_null());
        }
    };
    drop_in(entry);
    for part in ["compute", "provisionerOutputs", "steps"] {
        entry.get_mut(part).map(drop_in);
    }
    let steps = entry.get_mut("steps").and_then(Value::as_object_mut);
    steps.into_iter().flat_map(|steps| steps.values_mut()).for_each(drop_in);
    let history = entry.get_mut("auditLog").and_then(Value::as_array_mut);
    history.into_iter().flatten().for_each(drop_in);
}

/// Places of `written` that `kept` lacks, except for those that say nothing.
fn missing(written: &Value, kept: &Value, place: &str, lost: &mut Vec<String>) {
    let inner = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            for (key, value) in written {
                match kept.get(key) {
                    Some(kept) => missing(value, kept, &inner(key), lost),
                    None if says_nothing(value) => {}
                    None => lost.push(inner(key)),
                }
            }
        }
        (Value::Array(written), Value::Array(kept)) => {
            for (index, (written, kept)) in written.iter().zip(kept).enumerate() {
                missing(written, kept, &inner(&index.to_string()), lost);
            }
        }
        _ => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

/// The text of the state file that the Go tool would write for these entries, with the step history that each holds in
/// `audit_log`.
///
/// Fingerprints and operation ids are left out. A step that was begun and not seen to end is told as failed, so that
/// the Go tool runs it again, too.
#[must_use]
pub fn export(entries: &[EnvironmentEntry]) -> String {
    let environments = entries.iter().map(|entry| (entry.name.clone(), for_go(entry.clone()))).collect();
    go_json(&State { version: STATE_VERSION, environments })
}

fn for_go(mut entry: EnvironmentEntry) -> EnvironmentEntry {
    for record in entry.steps.values_mut() {
        record.fingerprint = None;
        record.operation_id = None;
        if record.status == RecordStatus::Started {
            record.status = RecordStatus::Failed;
            record.error.get_or_insert_with(|| "interrupted".to_owned());
        }
    }
    if let Some(compute) = &mut entry.compute {
        // The Go tool leaves empty texts out.
        for text in [&mut compute.path, &mut compute.host, &mut compute.user] {
            text.take_if(|text| text.is_empty());
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the Go tool writes it: offsets, nanoseconds, nulls, what is left out when empty, HTML escapes.
    const WRITTEN: &str = include_str!("../../fixtures/interchange/state.json");

    #[test]
    fn what_the_go_tool_wrote_comes_back_byte_for_byte() {
        let imported = import(WRITTEN).unwrap();
        assert_eq!(imported.notes, Vec::<String>::new());
        let entries: Vec<EnvironmentEntry> = imported.state.environments.into_values().collect();
        assert_eq!(entries.len(), 4);
        assert_eq!(export(&entries), WRITTEN);
        assert_eq!(export(&[]), "{\n  \"version\": 1,\n  \"environments\": {}\n}");
    }

    #[test]
    fn what_only_we_know_stays_here() {
        let mut entry = import(WRITTEN).unwrap().state.environments.remove("pr-1").unwrap();
        let plain = export(std::slice::from_ref(&entry));
        let record = entry.steps.values_mut().next().unwrap();
        record.fingerprint = Some("f".to_owned());
        record.operation_id = Some("o".to_owned());
        assert_eq!(export(std::slice::from_ref(&entry)), plain);
        entry.steps.values_mut().next().unwrap().status = RecordStatus::Started;
        let text = export(&[entry]);
        assert!(!text.contains("started\"") && text.contains("\"error\": \"interrupted\""), "{text}");
    }

    #[test]
    fn what_has_no_place_here_is_told() {
        let text = r#"{"version":1,"more":1,"environments":{"a":{"name":"b","status":"banana","colour":"red",
            "createdAt":null,"steps":{"s":{"name":"s","status":"completed","startedAt":"2026-01-01T00:00:00Z",
            "finishedAt":"2026-01-01T00:00:00Z","error":null,"odd":[1]}}}}}"#;
        let imported = import(text).unwrap();
        let entry = &imported.state.environments["a"];
        assert_eq!((entry.name.as_str(), entry.status), ("a", Status::Error));
        let told = ["`more`", "status `banana`", "calls itself `b`", "`colour`", "`steps.s.odd`"];
        assert_eq!(imported.notes.len(), told.len(), "{:?}", imported.notes);
        assert!(imported.notes.iter().zip(told).all(|(note, told)| note.contains(told)), "{:?}", imported.notes);
    }

    #[test]
    fn a_file_that_does_not_fit_is_refused_with_its_place() {
        let cases = [
            ("", "does not parse"),
            ("[]", "does not parse"),
            ("{} x", "does not parse"),
            (r#"{"version":"1"}"#, "does not parse"),
            (r#"{"version":2,"environments":{"e":1}}"#, "version 2"),
            (r#"{"version":1,"environments":{"pr-1":{"ports":{"web":70000}}}}"#, "`pr-1`"),
        ];
        for (text, told) in cases {
            let error = import(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_project_leads_nowhere_else() {
        let path = state_path(Path::new("/home/me"), "shop").unwrap();
        assert_eq!(path, Path::new("/home/me/.cache/previewctl/shop/state.json"));
        for project in ["", "..", "/etc", "a/../../b"] {
            assert_eq!(state_path(Path::new("/home/me"), project), None, "{project}");
        }
    }
}
