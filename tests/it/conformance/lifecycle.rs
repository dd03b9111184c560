//! Sequences of the Manager's verbs, held to recorded answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use previewbot::domain::entry::Status;
use previewbot::domain::ports::CreateRequest;
use previewbot::manager::{Manager, ManagerError};
use serde_json::{Map, Value, json};

use super::lifecycle_requirements::requirement;
use super::vectors::{Binding, ExpectedError, Vector, check_topic};
use crate::manager::world::World;

/// One call of a vector and what came of it.
pub(super) struct Played {
    pub(super) compute_calls: Vec<String>,
    pub(super) events: Vec<String>,
    pub(super) error: Option<(&'static str, String)>,
    /// Results beside the state: `names`, `outputs`, `infra_running`.
    pub(super) extra: Map<String, Value>,
    pub(super) state: Value,
}

fn text<'a>(call: &'a Value, key: &str) -> &'a str {
    call.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn kind(error: &ManagerError) -> &'static str {
    match error {
        ManagerError::UnknownStep(_) => "unknown_step",
        _ => "error",
    }
}

async fn verb(
    world: &World,
    manager: &Manager,
    call: &Value,
) -> Result<Map<String, Value>, (&'static str, String)> {
    let (env, service) = (text(call, "env"), text(call, "service"));
    let from = call.get("from").and_then(Value::as_str);
    let request =
        CreateRequest { environment: env.to_owned(), branch: text(call, "branch").to_owned(), base: None };
    let attached = world.path("ext").to_string_lossy().into_owned();
    let mut extra = Map::new();
    let result = match text(call, "op") {
        "init" => manager.init(&request, None).await.map(drop),
        "provision" => manager.provision(&request, from).await.map(drop),
        "attach" => manager.attach(env, &attached).await.map(drop),
        "provision_attach" => manager.provision_attach(env, &attached, from).await.map(drop),
        "run" => manager.run(&world.path(&format!("wt/{env}/.previewctl.json")), from).await,
        "destroy" => manager.destroy(env).await,
        "core_init" => manager.core_init(service).await.map(drop),
        "core_reset" => manager.core_reset(service, env).await.map(drop),
        "core_hook" => manager.run_core_hook(service, text(call, "action"), env).await.map(|outputs| {
            extra.insert("outputs".to_owned(), json!(outputs));
        }),
        "set_status" => match text(call, "status").parse::<Status>() {
            Ok(status) => manager.set_status(env, status).await,
            Err(error) => return Err(("invalid_status", error.to_string())),
        },
        "status" => manager.status(env).await.map(|detail| {
            extra.insert("infra_running".to_owned(), json!(detail.running));
        }),
        "list" => manager.list().await.map(|entries| {
            let names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
            extra.insert("names".to_owned(), json!(names));
        }),
        other => panic!("unknown op {other}"),
    };
    result.map(|()| extra).map_err(|error| (kind(&error), error.to_string()))
}

/// The stored entry in the vectors' words; null when there is none.
fn state_of(world: &World, env: &str) -> Value {
    let Some(entry) = world.entry(env) else { return Value::Null };
    let audit = world.audit.lock().unwrap();
    let lines = audit.get(env).map(Vec::as_slice).unwrap_or_default();
    let text_of = |value: Value| value.as_str().unwrap().to_owned();
    let audit: Vec<String> = lines.iter().map(|l| format!("{}:{}", l.step, text_of(json!(l.action)))).collect();
    let mut state = json!({"branch": entry.branch, "status": entry.status, "audit": audit});
    let steps: BTreeMap<&String, Value> = entry.steps.iter().map(|(name, r)| (name, json!(r.status))).collect();
    let parts = [
        ("mode", json!(entry.mode)),
        ("ports", json!(entry.ports.unwrap_or_default())),
        ("provisioner_outputs", json!(entry.provisioner_outputs.unwrap_or_default())),
        ("steps", json!(steps)),
    ];
    for (key, value) in parts {
        if value != json!("") && value != json!({}) {
            state[key] = value;
        }
    }
    if let Some(info) = entry.compute {
        let mut compute = json!({"type": info.kind, "path": world.without_root(&info.path.unwrap())});
        if info.managed_worktree {
            compute["managed_worktree"] = json!(true);
        }
        state["compute"] = compute;
    }
    state
}

/// Plays all calls of a vector.
pub(super) async fn play(world: &Arc<World>, vector: &Vector) -> Vec<Played> {
    let mut config = vector.text("config").to_owned();
    let mut all = Vec::new();
    for call in vector.input["calls"].as_array().unwrap() {
        if let Some(replaced) = call.get("config").and_then(Value::as_str) {
            replaced.clone_into(&mut config);
        }
        let failing: Vec<&str> =
            call.get("fail").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        world.fail(&failing);
        if call.get("rm_worktree").is_some() {
            std::fs::remove_dir_all(world.path(&format!("wt/{}", text(call, "env")))).unwrap();
        }
        let manager = Manager::new(world.dependencies(&config, vector.text("mode")));
        manager.set_no_cache(call.get("no_cache").and_then(Value::as_bool).unwrap_or(false));
        let result = verb(world, &manager, call).await;
        world.fail(&[]);
        all.push(Played {
            compute_calls: world.take_calls(),
            events: world.take_events(),
            error: result.as_ref().err().cloned(),
            extra: result.unwrap_or_default(),
            state: state_of(world, text(call, "env")),
        });
    }
    all
}

fn prepared(vector: &Vector) -> Arc<World> {
    let world = World::new();
    *world.ports.lock().unwrap() = serde_json::from_value(vector.input["ports"].clone()).unwrap();
    if !vector.text("branch").is_empty() {
        vector.text("branch").clone_into(&mut world.branch.lock().unwrap());
    }
    world
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
}

/// Events and audit lines that a reset may add: the steps that rebuild.
fn without_rebuild(lines: &[String], rebuilds: bool, keep: usize) -> Vec<String> {
    let rebuild = ["build_manifest", "write_manifest", "provisioner_after"];
    let added = |line: &String| rebuild.iter().any(|step| line.starts_with(&format!("{step}:")));
    lines
        .iter()
        .enumerate()
        .filter(|(i, line)| !rebuilds || *i < keep || !added(line))
        .map(|(_, l)| l.clone())
        .collect()
}

/// Audit lines with what a skipped step was found to be left out.
fn comparable_audit(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.replace(":verified", ":skipped")).collect()
}

fn check_state(played: &Played, expected: &Value, rebuilds: bool) -> Result<(), String> {
    let (mut actual, mut expected) = (played.state.clone(), expected.clone());
    let wanted = strings(expected.get("audit"));
    let found = without_rebuild(&strings(actual.get("audit")), rebuilds, wanted.len());
    let (found, wanted) = (comparable_audit(&found), comparable_audit(&wanted));
    for state in [&mut actual, &mut expected] {
        state.as_object_mut().map(|state| state.remove("audit"));
    }
    if found != wanted {
        return Err(format!("audit {found:?}, expected {wanted:?}"));
    }
    if actual != expected {
        return Err(format!("state {actual}, expected {expected}"));
    }
    Ok(())
}

fn check_call(played: &Played, call: &Value, expected: &Value) -> Result<(), String> {
    let rebuilds = text(call, "op") == "core_reset";
    let texts = strings(expected.get("error").and_then(|error| error.get("error_contains")));
    match (&played.error, expected.get("error")) {
        (None, None) => {}
        (Some((_, message)), Some(_)) if texts.iter().all(|text| message.contains(text)) => {}
        (error, _) => return Err(format!("error {error:?}, expected {texts:?}")),
    }
    let events = without_rebuild(&played.events, rebuilds, 0);
    if events != strings(expected.get("events")) {
        return Err(format!("events {events:?}, expected {:?}", strings(expected.get("events"))));
    }
    if played.compute_calls != strings(expected.get("compute_calls")) {
        return Err(format!("calls {:?}", played.compute_calls));
    }
    for key in ["names", "outputs", "infra_running"] {
        let (found, wanted) = (played.extra.get(key), expected.get(key));
        if played.error.is_none() && found != wanted {
            return Err(format!("{key} {found:?}, expected {wanted:?}"));
        }
    }
    check_state(played, &expected["state"], rebuilds)
}

/// Variables that hooks get beside those of the seed.
const OURS: [&str; 5] = [
    "PREVIEWCTL_ENVIRONMENT_NAME",
    "PREVIEWCTL_ENVIRONMENT_ID",
    "PREVIEWCTL_MODE",
    "PREVIEWCTL_OPERATION_ID",
    "PREVIEWCTL_PORT_MY_DB_V2",
];

fn check_file(world: &World, path: &str, expected: &Value) -> Result<(), String> {
    let found = world.read(path).map(|text| world.without_root(&text));
    let wrong = || Err(format!("{path} holds {found:?}, expected {expected}"));
    if expected.is_null() {
        return if found.is_none() { Ok(()) } else { wrong() };
    }
    let Some(found) = &found else { return wrong() };
    if let Some(json) = expected.get("json") {
        return if serde_json::from_str::<Value>(found).unwrap() == *json { Ok(()) } else { wrong() };
    }
    let wanted: Vec<&str> = expected["text"].as_str().unwrap().lines().collect();
    let ours = |line: &&str| !OURS.iter().any(|name| line.starts_with(&format!("{name}=")));
    let found: Vec<&str> =
        found.lines().filter(ours).map(|l| if l.starts_with('#') { "#<generated-header>" } else { l }).collect();
    if found == wanted { Ok(()) } else { wrong() }
}

fn check_lifecycle(vector: &Vector, binding: &Binding) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = prepared(vector);
    let played = runtime.block_on(play(&world, vector));
    match binding {
        Binding::Value(expected) => check_calls(&world, vector, &played, expected),
        Binding::Failure(expected) => check_failure(&played, expected),
        Binding::Requirement(_) => requirement(&vector.name, &world, &played),
        other => Err(format!("no check for {other:?}")),
    }
}

fn check_failure(played: &[Played], expected: &ExpectedError) -> Result<(), String> {
    match &played.last().unwrap().error {
        Some((kind, message)) if expected.fits(kind, message) => Ok(()),
        other => Err(format!("error {other:?}, expected {expected:?}")),
    }
}

fn check_calls(world: &World, vector: &Vector, played: &[Played], expected: &Value) -> Result<(), String> {
    let calls = vector.input["calls"].as_array().unwrap();
    let answers = expected["calls"].as_array().unwrap();
    assert_eq!(answers.len(), played.len(), "{}", vector.name);
    for (i, ((call, played), answer)) in calls.iter().zip(played).zip(answers).enumerate() {
        check_call(played, call, answer).map_err(|reason| format!("call {i}: {reason}"))?;
    }
    for (path, file) in expected.get("files").and_then(Value::as_object).into_iter().flatten() {
        check_file(world, path, file)?;
    }
    Ok(())
}

#[test]
fn lifecycle() {
    check_topic("lifecycle", check_lifecycle);
}
