//! Sequences of the Manager's verbs, held to recorded answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use previewbot::domain::entry::Status;
use previewbot::domain::ports::CreateRequest;
use previewbot::manager::{Manager, ManagerError};
use serde_json::{Map, Value, json};

use super::access::block_on;
use super::checks::{Verdict, ensure};
use super::lifecycle_compare::check_calls;
use super::lifecycle_later::later_verb;
use super::lifecycle_requirements::requirement;
use super::vectors::{Answer, ExpectedError, Vector};
use crate::world::World;

/// One call of a vector and what came of it.
pub(super) struct Played {
    pub(super) compute_calls: Vec<String>,
    pub(super) events: Vec<String>,
    pub(super) error: Option<(&'static str, String)>,
    /// Results beside the state: `names`, `outputs`, `infra_running`.
    pub(super) extra: Map<String, Value>,
    pub(super) state: Value,
}

/// Kind of the failure to play a call.
const UNKNOWN_OPERATION: &str = "unknown operation";

pub(super) fn text<'a>(call: &'a Value, key: &str) -> &'a str {
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
    let request = CreateRequest {
        environment: env.to_owned(),
        branch: text(call, "branch").to_owned(),
        base: call.get("base").and_then(Value::as_str).map(str::to_owned),
    };
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
        "core_reset" if call.get("no_propagate") == Some(&json!(true)) => {
            manager.core_reset_only(service, env).await
        }
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
        other => match later_verb(manager, call, &mut extra).await {
            Some(result) => result,
            None => return Err((UNKNOWN_OPERATION, format!("{other}: the runner must be taught it"))),
        },
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
        ("store", json!(entry.env)),
        ("enabled_services", json!(entry.enabled_services)),
    ];
    for (key, value) in parts {
        if ![json!(""), json!({}), json!([])].contains(&value) {
            state[key] = value;
        }
    }
    if let Some(info) = entry.compute {
        let mut compute = json!({"type": info.kind, "path": world.without_root(&info.path.unwrap_or_default())});
        for (key, value) in [("host", info.host), ("user", info.user)] {
            if let Some(value) = value {
                compute[key] = json!(value);
            }
        }
        if info.managed_worktree {
            compute["managed_worktree"] = json!(true);
        }
        state["compute"] = compute;
    }
    state
}

/// What a call asks to be so before it is made.
fn arrange(world: &World, call: &Value) {
    let failing = strings(call.get("fail"));
    world.fail(&failing.iter().map(String::as_str).collect::<Vec<_>>());
    if let Some(running) = call.get("running").and_then(Value::as_bool) {
        world.running.store(running, Ordering::SeqCst);
    }
    if call.get("rm_worktree") == Some(&json!(true)) {
        // It may be gone already.
        let _ = std::fs::remove_dir_all(world.path(&format!("wt/{}", text(call, "env"))));
    }
    if let Some(file) = call.get("rm_file").and_then(Value::as_str) {
        let _ = std::fs::remove_file(world.path(file));
    }
}

/// Plays all calls of a vector.
async fn play(world: &Arc<World>, vector: &Vector) -> Result<Vec<Played>, String> {
    let mut config = vector.text("config").to_owned();
    let mut all = Vec::new();
    for call in &vector.part_or_default::<Vec<Value>>("calls") {
        if let Some(replaced) = call.get("config").and_then(Value::as_str) {
            replaced.clone_into(&mut config);
        }
        let manager = Manager::new(world.dependencies(&config, vector.text("mode")));
        manager.set_no_cache(call.get("no_cache").and_then(Value::as_bool).unwrap_or(false));
        arrange(world, call);
        let result = verb(world, &manager, call).await;
        world.fail(&[]);
        if let Err((UNKNOWN_OPERATION, what)) = result {
            return Err(format!("{UNKNOWN_OPERATION} {what}"));
        }
        all.push(Played {
            compute_calls: world.take_calls(),
            events: world.take_events(),
            error: result.as_ref().err().cloned(),
            extra: result.unwrap_or_default(),
            state: state_of(world, text(call, "env")),
        });
    }
    Ok(all)
}

fn prepared(vector: &Vector) -> Arc<World> {
    let world = World::new();
    *world.ports.lock().unwrap() = vector.part_or_default("ports");
    if let Some(branch) = vector.part::<String>("branch") {
        *world.branch.lock().unwrap() = branch;
    }
    world
}

pub(super) fn strings(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(super) fn lifecycle(vector: &Vector, answer: &Answer) -> Verdict {
    let world = prepared(vector);
    let played = block_on(play(&world, vector))?;
    match answer {
        Answer::Value(expected) => check_calls(&world, vector, &played, expected),
        Answer::Failure(expected) => check_failure(&played, expected),
        Answer::Requirement(words) => {
            requirement(vector, &world, &played).map_err(|why| format!("{words:?}: {why}"))
        }
        other => Err(format!("{other:?} is no answer for calls")),
    }
}

fn check_failure(played: &[Played], expected: &ExpectedError) -> Verdict {
    let error = played.last().and_then(|played| played.error.as_ref());
    let fits = error.is_some_and(|(kind, message)| expected.fits(kind, message));
    ensure(fits, format!("error {error:?}, expected {expected:?}"))
}
