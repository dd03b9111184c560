//! Checkpoints and the state file.

use std::collections::BTreeMap;

use previewbot::domain::checkpoint::{
    AuditEntry, RecordStatus, StepRecord, invalidate_step, invalidate_steps_from,
};
use previewbot::domain::entry::{EnvironmentEntry, State, StateError};
use serde_json::{Value, json};

use super::{json as to_json, part};
use crate::conformance::vectors::{Vector, check_topic, compare, load};

fn entry(vector: &Vector) -> EnvironmentEntry {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let statuses: BTreeMap<String, RecordStatus> =
        serde_json::from_value::<Option<_>>(vector.input["steps"].clone()).unwrap().unwrap_or_default();
    let record = |(name, status): (String, RecordStatus)| StepRecord {
        name,
        status,
        started_at: now,
        finished_at: now,
        duration_ms: 0,
        machine: "m".to_owned(),
        error: None,
        outputs: BTreeMap::from([("k".to_owned(), json!("v"))]),
        fingerprint: None,
        operation_id: None,
    };
    let steps = statuses.into_iter().map(record).map(|r| (r.name.clone(), r)).collect();
    EnvironmentEntry { steps, ..EnvironmentEntry::default() }
}

fn invalidated_from(vector: &Vector) -> Result<Value, (&'static str, String)> {
    let mut entry = entry(vector);
    let order: Vec<String> = part(vector, "order");
    let audit = invalidate_steps_from(&mut entry, vector.text("from"), &order, jiff::Timestamp::UNIX_EPOCH, "m")
        .map_err(|error| ("unknown_step", error.to_string()))?;
    let shown = |e: &AuditEntry| json!(format!("{}:{}", e.step, to_json(e.action).as_str().unwrap()));
    let audit: Vec<Value> = audit.iter().map(shown).collect();
    Ok(json!({"audit": audit, "remaining": entry.steps.keys().collect::<Vec<_>>()}))
}

fn invalidated(vector: &Vector) -> Value {
    let mut entry = entry(vector);
    let audit = invalidate_step(&mut entry, vector.text("step"), jiff::Timestamp::UNIX_EPOCH, "m");
    let steps: BTreeMap<&String, RecordStatus> = entry.steps.iter().map(|(name, r)| (name, r.status)).collect();
    json!({"audit_entries": u8::from(audit.is_some()), "changed": audit.is_some(), "steps": steps})
}

#[test]
fn invalidate_steps() {
    check_topic("invalidate_steps", |vector, binding| match vector.op.as_deref() {
        Some("invalidate") => compare(binding, invalidated_from(vector)),
        Some("entry_queries") => {
            let (entry, step) = (entry(vector), vector.text("query"));
            let shown = json!({"completed": entry.step_completed(step), "outputs": entry.step_outputs(step)});
            compare(binding, Ok(shown))
        }
        other => Err(format!("unknown operation {other:?}")),
    });
}

#[test]
fn one_step_is_invalidated_as_later_versions_do() {
    let vectors = load("invalidate_steps");
    let single: Vec<&Vector> = vectors.iter().filter(|v| v.op.as_deref() == Some("invalidate_step")).collect();
    assert!(!single.is_empty());
    for vector in single {
        assert_eq!(Some(invalidated(vector)), vector.expected, "{}", vector.name);
    }
}

fn read(vector: &Vector) -> Result<Value, (&'static str, String)> {
    let state = match vector.input.get("json").and_then(Value::as_str) {
        Some(text) => State::from_text(text).map_err(|error| match error {
            StateError::Json(_) => ("state_invalid_json", error.to_string()),
            StateError::Version(_) => ("state_unsupported_version", error.to_string()),
        })?,
        None => State::default(),
    };
    Ok(match vector.input.get("name").and_then(Value::as_str) {
        Some(name) => to_json(state.environments.get(name)),
        None => to_json(state),
    })
}

#[test]
fn state_file() {
    check_topic("state_file", |vector, binding| match vector.op.as_deref() {
        Some("state_read") => compare(binding, read(vector)),
        other => Err(format!("unknown operation {other:?}")),
    });
}

#[test]
fn an_environment_that_is_not_there_reads_as_none() {
    let vectors = load("state_file");
    let absent = vectors.iter().find(|vector| vector.name == "get_absent").unwrap();
    assert_eq!(read(absent), Ok(Value::Null));
}
