//! What was played, compared with what was recorded.

use serde_json::Value;

use super::checks::{Verdict, ensure};
use super::lifecycle::{Played, strings, text};
use super::vectors::{Vector, contains_all};
use crate::world::World;

/// Parts of a call's answer that are compared.
const KNOWN: [&str; 9] =
    ["error", "events", "compute_calls", "names", "outputs", "infra_running", "report", "text", "state"];

pub(super) fn check_calls(world: &World, vector: &Vector, played: &[Played], expected: &Value) -> Verdict {
    let calls: Vec<Value> = vector.part_or_default("calls");
    let answers = expected["calls"].as_array().cloned().unwrap_or_default();
    ensure(answers.len() == played.len(), format!("{} calls, {} answers", played.len(), answers.len()))?;
    for (i, ((call, played), answer)) in calls.iter().zip(played).zip(&answers).enumerate() {
        check_call(played, call, answer).map_err(|reason| format!("call {i}: {reason}"))?;
    }
    for (path, file) in expected.get("files").and_then(Value::as_object).into_iter().flatten() {
        check_file(world, vector, path, file)?;
    }
    Ok(())
}

fn check_call(played: &Played, call: &Value, expected: &Value) -> Verdict {
    let unknown = expected.as_object().and_then(|parts| parts.keys().find(|key| !KNOWN.contains(&key.as_str())));
    ensure(unknown.is_none(), format!("no comparison for {unknown:?}: the runner must be taught it"))?;
    check_error(played, expected)?;
    let rebuilds = text(call, "op") == "core_reset";
    let events = comparable(&played.events, rebuilds, 0);
    let wanted = comparable(&strings(expected.get("events")), false, 0);
    ensure(events == wanted, format!("events {events:?}, expected {wanted:?}"))?;
    let wanted = strings(expected.get("compute_calls"));
    ensure(played.compute_calls == wanted, format!("calls {:?}, expected {wanted:?}", played.compute_calls))?;
    for key in ["names", "outputs", "infra_running", "report", "text"] {
        let (found, wanted) = (played.extra.get(key), expected.get(key));
        ensure(played.error.is_some() || found == wanted, format!("{key} {found:?}, expected {wanted:?}"))?;
    }
    check_state(played, expected.get("state").unwrap_or(&Value::Null), rebuilds)
}

fn check_error(played: &Played, expected: &Value) -> Verdict {
    let texts = strings(expected.get("error").and_then(|error| error.get("error_contains")));
    let fits = match (&played.error, expected.get("error")) {
        (None, None) => true,
        (Some((_, message)), Some(_)) => contains_all(message, &texts),
        _ => false,
    };
    ensure(fits, format!("error {:?}, expected {:?}", played.error, expected.get("error")))
}

/// Events or audit lines as they compare: seeds as a set; probes, and from line `keep` on the steps that rebuild after
/// a reset, may be added.
fn comparable(lines: &[String], rebuilds: bool, keep: usize) -> Vec<String> {
    let rebuild = ["build_manifest", "write_manifest", "provisioner_after"];
    let step = |line: &String| line.split(':').next().unwrap_or_default().to_owned();
    let added = |i: usize, line: &String| {
        step(line) == "probe" || (rebuilds && i >= keep && rebuild.contains(&step(line).as_str()))
    };
    let mut lines: Vec<String> =
        lines.iter().enumerate().filter(|(i, line)| !added(*i, line)).map(|(_, line)| line.clone()).collect();
    for seeds in lines.chunk_by_mut(|a, b| a.starts_with("seed_") && b.starts_with("seed_")) {
        seeds.sort();
    }
    lines
}

/// Audit lines without those of skipped steps.
fn audit(state: &mut Value) -> Vec<String> {
    let lines = state.as_object_mut().and_then(|state| state.remove("audit"));
    let mut lines = strings(lines.as_ref());
    lines.retain(|line| !line.ends_with(":skipped") && !line.ends_with(":verified"));
    lines
}

fn check_state(played: &Played, expected: &Value, rebuilds: bool) -> Verdict {
    let (mut actual, mut expected) = (played.state.clone(), expected.clone());
    let wanted = comparable(&audit(&mut expected), false, 0);
    let found = comparable(&audit(&mut actual), rebuilds, wanted.len());
    ensure(found == wanted, format!("audit {found:?}, expected {wanted:?}"))?;
    ensure(actual == expected, format!("state {actual}, expected {expected}"))
}

/// Variables that hooks get beside those of the seed.
const OURS: [&str; 5] = [
    "PREVIEWCTL_ENVIRONMENT_NAME",
    "PREVIEWCTL_ENVIRONMENT_ID",
    "PREVIEWCTL_MODE",
    "PREVIEWCTL_OPERATION_ID",
    "PREVIEWCTL_COMMIT",
];

/// Variables of ports whose names only became legal here.
fn made_legal(vector: &Vector) -> Vec<String> {
    let ports: std::collections::BTreeMap<String, u16> = vector.part_or_default("ports");
    let odd =
        ports.keys().filter(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    odd.map(|name| previewbot::domain::hook::port_variable(name)).collect()
}

fn check_file(world: &World, vector: &Vector, path: &str, expected: &Value) -> Verdict {
    let found = world.read(path).map(|text| world.without_root(&text));
    let wrong = || Err(format!("{path} holds {found:?}, expected {expected}"));
    if expected.is_null() {
        return if found.is_none() { Ok(()) } else { wrong() };
    }
    let Some(found) = &found else { return wrong() };
    if let Some(json) = expected.get("json") {
        return if serde_json::from_str::<Value>(found).ok().as_ref() == Some(json) { Ok(()) } else { wrong() };
    }
    let wanted: Vec<&str> = expected["text"].as_str().unwrap_or_default().lines().collect();
    let legal = made_legal(vector);
    let ours = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default();
        OURS.contains(&name) || legal.iter().any(|legal| legal == name)
    };
    let kept = |line: &&str| !ours(line) || wanted.contains(line);
    let found: Vec<&str> =
        found.lines().filter(kept).map(|l| if l.starts_with('#') { "#<generated-header>" } else { l }).collect();
    if found == wanted { Ok(()) } else { wrong() }
}
