//! The step engine and the order of steps, held to recorded answers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use previewbot::domain::checkpoint::{AuditEntry, RecordStatus, StepRecord};
use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::error::{ErrorKind, PortError};
use previewbot::domain::project::parse::parse;
use previewbot::manager::{
    Attempt, Context, Outputs, Rules, Step, StepFailure, build_provisioner_step_order, build_runner_step_order,
    execute,
};
use serde_json::{Value, json};

use super::vectors::{Binding, Vector, check_topic, compare};
use crate::manager::world::World;

const CONFIG: &str = "version: 1\nname: demo\n";

/// The one step `s` of the vectors.
struct Recorded {
    verify: String,
    works: bool,
    allow_cache: bool,
    ran: AtomicBool,
    verified: AtomicBool,
}

fn boom(text: &str) -> StepFailure {
    PortError::new(ErrorKind::Invalid, text).into()
}

#[async_trait]
impl Step for Recorded {
    fn name(&self) -> &'static str {
        "s"
    }

    fn rules(&self) -> Rules {
        Rules { allow_cache: self.allow_cache, ..Rules::default() }
    }

    async fn verify(&self, _context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        if self.verify == "none" {
            return None;
        }
        self.verified.store(true, Ordering::SeqCst);
        Some(if self.verify == "ok" { Ok(()) } else { Err(boom("verify boom")) })
    }

    async fn run(&self, _context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        self.ran.store(true, Ordering::SeqCst);
        if self.works { Ok(Outputs::from([("x".to_owned(), json!("1"))])) } else { Err(boom("fn boom")) }
    }
}

fn entry_with(prior: &str) -> EnvironmentEntry {
    let mut entry = EnvironmentEntry { name: "e".to_owned(), ..EnvironmentEntry::default() };
    if prior != "none" {
        let status: RecordStatus = serde_json::from_value(json!(prior)).unwrap();
        let now = jiff::Timestamp::UNIX_EPOCH;
        entry.set_step_record(StepRecord {
            name: "s".to_owned(),
            status,
            started_at: now,
            finished_at: now,
            duration_ms: 0,
            machine: "m".to_owned(),
            error: None,
            outputs: Outputs::new(),
            fingerprint: None,
            operation_id: None,
        });
    }
    entry
}

fn describe_record(result: &mut Value, record: Option<&StepRecord>) {
    let Some(record) = record else { return };
    result["record_status"] = json!(record.status);
    if let Some(error) = &record.error {
        result["record_error"] = json!(error);
    }
    if !record.outputs.is_empty() {
        result["record_outputs"] = json!(record.outputs);
    }
}

async fn played(vector: &Vector) -> Value {
    let world = World::new();
    let flag = |key: &str| vector.input.get(key).and_then(Value::as_bool);
    let mut dependencies = world.dependencies(CONFIG, "local");
    dependencies.no_cache = flag("no_cache").unwrap_or(false);
    if vector.text("persist") == "fail" {
        world.fail(&["state_set"]);
    }
    let step = Recorded {
        verify: vector.text("verify").to_owned(),
        works: vector.text("fn") == "ok",
        allow_cache: flag("allow_cache").unwrap_or(true),
        ran: AtomicBool::new(false),
        verified: AtomicBool::new(false),
    };
    let entry = (flag("no_entry") != Some(true)).then(|| entry_with(vector.text("prior")));
    let context = Context::new(&dependencies, "e", entry);
    let outcome = execute(&context, &step).await;
    let mut result = json!({
        "events": all_events(&world.events),
        "fn_called": step.ran.into_inner(),
        "verify_called": step.verified.into_inner(),
        "persisted": world.saves.load(Ordering::SeqCst) > 0,
    });
    let audit = world.audit.lock().unwrap().clone();
    let actions: Vec<Value> = audit.values().flatten().map(|line: &AuditEntry| json!(line.action)).collect();
    if !actions.is_empty() {
        result["audit"] = json!(actions);
    }
    if let Err(error) = outcome {
        result["error"] = json!(error.to_string());
    }
    describe_record(&mut result, context.entry().await.and_then(|e| e.steps.get("s").cloned()).as_ref());
    result
}

fn all_events(events: &Mutex<Vec<previewbot::domain::progress::StepEvent>>) -> Vec<String> {
    events.lock().unwrap().iter().map(|e| format!("{}:{}", e.step, e.status.as_str())).collect()
}

fn check_engine(vector: &Vector, binding: &Binding) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut result = runtime.block_on(played(vector));
    let mut expected = match binding {
        Binding::Value(expected) => expected.clone(),
        Binding::Requirement(_) if vector.name == "skip_is_not_persisted" => {
            let kept = result["audit"] == json!(["skipped"]) && result["events"] == json!(["s:skipped"]);
            return if kept { Ok(()) } else { Err(format!("the skip is not kept: {result}")) };
        }
        other => return Err(format!("no check for {other:?}")),
    };
    let texts = expected["error"]["error_contains"].as_array().cloned().unwrap_or_default();
    let message = result["error"].as_str().unwrap_or_default().to_owned();
    if !texts.iter().all(|text| message.contains(text.as_str().unwrap())) || texts.is_empty() != message.is_empty()
    {
        return Err(format!("error {message:?} does not contain {texts:?}"));
    }
    for side in [&mut expected, &mut result] {
        side.as_object_mut().unwrap().remove("error");
    }
    compare(&Binding::Value(expected), Ok(result))
}

#[test]
fn step_engine() {
    check_topic("step_engine", check_engine);
}

#[test]
fn step_order() {
    check_topic("step_order", |vector, binding| {
        let config = parse(vector.text("config"), "previewctl.yaml").unwrap();
        let (provisioner, runner) = (build_provisioner_step_order(&config), build_runner_step_order(&config));
        compare(binding, Ok(json!({"provisioner": provisioner, "runner": runner})))
    });
}
