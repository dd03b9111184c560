//! Checkpoints and the state file.

use std::collections::BTreeMap;

use previewbot::domain::checkpoint::{
    AuditEntry, RecordStatus, StepRecord, invalidate_step, invalidate_steps_from,
};
use previewbot::domain::entry::{EnvironmentEntry, State};
use previewbot::domain::interchange::{InterchangeError, export, import};
use serde_json::{Value, json};

use super::checks::{Outcome, Verdict, compare, json as to_json, told, unknown_operation};
use super::vectors::{Answer, Vector};

fn entry(vector: &Vector) -> EnvironmentEntry {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let statuses: BTreeMap<String, RecordStatus> = vector.part_or_default("steps");
    let record = |(name, status): (String, RecordStatus)| {
        let outputs = BTreeMap::from([("k".to_owned(), json!("v"))]);
        (name.clone(), StepRecord { outputs, ..StepRecord::of_now(&name, status, now, "m") })
    };
    EnvironmentEntry { steps: statuses.into_iter().map(record).collect(), ..EnvironmentEntry::default() }
}

fn invalidated_from(vector: &Vector) -> Outcome {
    let mut entry = entry(vector);
    let order: Vec<String> = vector.part_or_default("order");
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

fn queried(vector: &Vector) -> Value {
    let (entry, step) = (entry(vector), vector.text("query"));
    json!({"completed": entry.step_completed(step), "outputs": entry.step_outputs(step)})
}

pub(super) fn invalidate_steps(vector: &Vector, answer: &Answer) -> Verdict {
    let outcome = match vector.op.as_deref() {
        None | Some("invalidate") => invalidated_from(vector),
        Some("entry_queries") => Ok(queried(vector)),
        Some("invalidate_step") => Ok(invalidated(vector)),
        other => return unknown_operation(other),
    };
    compare(answer, outcome, told)
}

fn read(vector: &Vector) -> Outcome {
    let state = match vector.part::<String>("json") {
        Some(text) => import(&text).map(|imported| imported.state).map_err(|error| match error {
            InterchangeError::Version(_) => ("state_unsupported_version", error.to_string()),
            InterchangeError::Json(_) | InterchangeError::Entry { .. } => {
                ("state_invalid_json", error.to_string())
            }
        })?,
        None => State::default(),
    };
    Ok(match vector.part::<String>("name") {
        Some(name) => to_json(state.environments.get(&name)),
        None => to_json(state),
    })
}

/// The entry of the input, as an object, as JSON text, or as the input itself.
fn written(vector: &Vector) -> Outcome {
    let given = ["entry", "json"].iter().find_map(|key| vector.input.get(*key));
    let given = match given.unwrap_or(&vector.input) {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        given => given.clone(),
    };
    let name = given.get("name").and_then(Value::as_str).unwrap_or(vector.text("name")).to_owned();
    let state = json!({"version": 1, "environments": {name: given}});
    let imported = import(&state.to_string()).map_err(|error| ("state_invalid_json", error.to_string()))?;
    assert_eq!(imported.notes, Vec::<String>::new(), "the entry holds what is not known here");
    let entries: Vec<EnvironmentEntry> = imported.state.environments.into_values().collect();
    Ok(json!(export(&entries)))
}

pub(super) fn state_file(vector: &Vector, answer: &Answer) -> Verdict {
    match vector.op.as_deref() {
        None | Some("state_read") => compare(answer, read(vector), told),
        Some("state_write") => compare(answer, written(vector), told),
        other => unknown_operation(other),
    }
}
