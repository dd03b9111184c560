//! The step engine and the order of steps, held to recorded answers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use previewbot::domain::checkpoint::{AuditEntry, RecordStatus, StepRecord};
use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::error::{ErrorKind, PortError};
use previewbot::manager::{
    Attempt, Context, Outputs, Rules, Step, StepFailure, build_provisioner_step_order, build_runner_step_order,
    execute,
};
use serde_json::{Value, json};

use super::access::block_on;
use super::checks::{Verdict, compare, ensure, told};
use super::project::parsed;
use super::vectors::{Answer, Vector, contains_all};
use crate::world::World;

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
        if matches!(self.verify.as_str(), "none" | "") {
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
    if !matches!(prior, "none" | "") {
        let status: RecordStatus = serde_json::from_value(json!(prior)).unwrap();
        let now = jiff::Timestamp::UNIX_EPOCH;
        entry.set_step_record(StepRecord::of_now("s", status, now, "m"));
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
        works: vector.text("fn") != "error",
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

pub(super) fn step_engine(vector: &Vector, answer: &Answer) -> Verdict {
    let mut result = block_on(played(vector));
    let mut expected = match answer {
        Answer::Value(expected) => expected.clone(),
        Answer::Requirement(_) => return in_words(vector, &result),
        other => return Err(format!("{other:?} is no answer for a step")),
    };
    let texts: Vec<String> =
        serde_json::from_value(expected["error"]["error_contains"].clone()).unwrap_or_default();
    let message = result["error"].as_str().unwrap_or_default().to_owned();
    let fails = !expected["error"].is_null();
    ensure(
        fails != message.is_empty() && contains_all(&message, &texts),
        format!("error {message:?}, expected {texts:?}"),
    )?;
    let skipped = expected["events"] == json!(["s:skipped"]);
    for side in [&mut expected, &mut result] {
        let side = side.as_object_mut().unwrap();
        side.remove("error");
        if skipped {
            // What is kept of a skip is our own business.
            side.retain(|key, _| !matches!(key.as_str(), "persisted" | "audit"));
        }
    }
    compare(&Answer::Value(expected), Ok(result), told)
}

/// What every step must keep to: it is skipped or it ran, its end is told once, and a skip is kept.
fn in_words(vector: &Vector, result: &Value) -> Verdict {
    let ran = result["fn_called"] == json!(true);
    let end = match (ran, vector.text("fn") == "error", vector.text("persist") == "fail") {
        (false, ..) => "s:skipped",
        (true, true, _) | (true, _, true) => "s:failed",
        (true, false, false) => "s:completed",
    };
    let events: Vec<String> = serde_json::from_value(result["events"].clone()).unwrap();
    ensure(events.iter().filter(|event| *event != "s:started").eq([end]), format!("{events:?}"))?;
    let audit: Vec<String> = serde_json::from_value(result["audit"].clone()).unwrap_or_default();
    let kept = audit.len() == 1 && (audit[0] == "skipped" || audit[0] == "verified");
    ensure(ran || kept, format!("the skip is not kept: {audit:?}"))
}

pub(super) fn step_order(vector: &Vector, answer: &Answer) -> Verdict {
    let config = parsed(vector.text("config"));
    let (provisioner, runner) = (build_provisioner_step_order(&config), build_runner_step_order(&config));
    compare(answer, Ok(json!({"provisioner": provisioner, "runner": runner})), told)
}
