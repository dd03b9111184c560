//! Calls that only later versions know.

use std::collections::BTreeMap;

use previewbot::manager::{Manager, ManagerError, ReconcileReport, Reconciled};
use serde_json::{Map, Value, json};

use super::lifecycle::{strings, text};

/// Makes the call; nothing for an operation that is not known. Results beside the state go into `extra`.
pub(super) async fn later_verb(
    manager: &Manager,
    call: &Value,
    extra: &mut Map<String, Value>,
) -> Option<Result<(), ManagerError>> {
    let (env, service, step) = (text(call, "env"), text(call, "service"), text(call, "step"));
    Some(match text(call, "op") {
        "run_step" => manager.run_steps(env, &[step.to_owned()]).await.map(drop),
        "run_steps" => manager.run_steps(env, &strings(call.get("steps"))).await.map(drop),
        op @ ("reconcile" | "reconcile_dry") => {
            let report = manager.reconcile(env, op == "reconcile_dry").await;
            report.map(|report| drop(extra.insert("report".to_owned(), shown(&report))))
        }
        "store_set" => {
            let values: BTreeMap<String, String> = serde_json::from_value(call["kv"].clone()).unwrap_or_default();
            manager.store_set(env, &values).await
        }
        "enable" => manager.service_start(env, service).await.map(drop),
        "disable" => manager.service_stop(env, service).await.map(drop),
        "sync_remote" => manager.sync(env).await.map(drop),
        op @ ("print_step" | "dry_run_step") => {
            let preview = manager.preview_step(env, step).await;
            preview.map(|preview| {
                let told = if op == "print_step" { preview.text() } else { preview.difference() };
                extra.insert("text".to_owned(), json!(told));
            })
        }
        _ => return None,
    })
}

/// Counts and outcomes in the vectors' words.
fn shown(report: &ReconcileReport) -> Value {
    let word = |outcome: &Reconciled| match outcome {
        Reconciled::NotRun => "not_run",
        Reconciled::Skipped => "skipped",
        Reconciled::Ok => "ok",
        Reconciled::Healed(_) => "healed",
        Reconciled::Broken(_) => "broken",
        Reconciled::Failed(_) => "failed",
    };
    let results: Vec<String> =
        report.results.iter().map(|(step, outcome)| format!("{step}:{}", word(outcome))).collect();
    let count = |wanted: &str| report.results.iter().filter(|(_, outcome)| word(outcome) == wanted).count();
    json!({
        "failed": count("failed") + count("broken"), "healed": count("healed"), "not_run": count("not_run"),
        "ok": count("ok"), "skipped": count("skipped"), "results": results,
    })
}
