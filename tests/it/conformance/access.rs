//! Topic `compute_access_local`: file work and commands in a folder of this machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use previewbot::domain::environment::LifeId;
use previewbot::domain::error::PortError;
use previewbot::domain::ports::{ComputeAccess as _, HookCommand, SystemRandom};
use previewbot::outbound::access::LocalAccess;
use previewbot::outbound::clock::OsRandom;
use previewbot::outbound::supervisor::end_marked_processes;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::checks::{Outcome, Verdict, compare, ensure};
use super::hooks::{runner, variables};
use super::vectors::{Answer, Vector};

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

pub(super) fn local(vector: &Vector, answer: &Answer) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap().join("base");
    std::fs::create_dir_all(base.join("root")).unwrap();
    let operations: Vec<Value> = vector.part_or_default("ops");
    let outcome = block_on(async {
        let life = LifeId(OsRandom.uuid());
        let runner = runner(&base.with_file_name("bot"), life).await;
        let access = LocalAccess::new(base.join("root"), Arc::new(runner), None);
        let outcome = all(&access, &base, &operations).await;
        end_marked_processes(life).await;
        outcome
    });
    let beside: Vec<_> = std::fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    ensure(beside == ["root"], format!("something was made outside of the root: {beside:?}"))?;
    compare(answer, outcome, |_, _| Ok(()))
}

async fn all(access: &LocalAccess, base: &Path, operations: &[Value]) -> Outcome {
    let mut results = Vec::new();
    for operation in operations {
        match one(access, base, operation).await {
            Ok(result) => results.push(result),
            // A path that leaves the root fails for everyone; other failures are results of their operations.
            Err(error) if error.to_string().contains("leaves") => {
                return Err(("path_escapes_root", error.to_string()));
            }
            Err(_) => results.push(json!({"error": true})),
        }
    }
    Ok(Value::Array(results))
}

async fn one(access: &LocalAccess, base: &Path, operation: &Value) -> Result<Value, PortError> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("op") {
        "write" => {
            let data = (operation.get("nil") != Some(&json!(true))).then(|| text("data").as_bytes());
            access.write_file(text("path"), data, mode(operation.get("mode"))).await?;
            Ok(json!({"ok": true}))
        }
        "read" => Ok(match access.read_file(text("path")).await? {
            Some(data) => json!({"data": String::from_utf8_lossy(&data)}),
            None => json!({"error": true}),
        }),
        "stat" => Ok(stat(&base.join("root").join(text("path")))),
        "exec" => {
            let variables = operation.get("env").cloned().unwrap_or_default();
            let variables: Option<Vec<String>> = serde_json::from_value(variables).unwrap();
            let command = command(text("command"), &variables.unwrap_or_default());
            let outcome = access.exec(&command, &CancellationToken::new()).await?;
            let stdout = outcome.stdout.replace(&*base.to_string_lossy(), "<base>");
            Ok(if outcome.succeeded() { json!({"stdout": stdout}) } else { json!({"error": true}) })
        }
        "root" => Ok(json!({"root": access.root().replace(&*base.to_string_lossy(), "<base>")})),
        other => panic!("unknown operation {other}: the runner must be taught it"),
    }
}

fn command(script: &str, environment: &[String]) -> HookCommand {
    HookCommand {
        step: "exec".to_owned(),
        script: script.to_owned(),
        directory: ".".to_owned(),
        environment: variables(environment),
        timeout: Duration::from_mins(1),
        fingerprint: script.to_owned(),
        killable: true,
        prints_values: false,
    }
}

/// An octal text or number; what is written without one is for everybody to read.
fn mode(value: Option<&Value>) -> u32 {
    let digits = match value {
        Some(Value::String(digits)) => digits.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "644".to_owned(),
    };
    u32::from_str_radix(&digits, 8).unwrap()
}

fn stat(path: &Path) -> Value {
    match std::fs::metadata(path) {
        Ok(found) => {
            let mode = format!("{:04o}", found.permissions().mode() & 0o7777);
            json!({"dir": found.is_dir(), "exists": true, "mode": mode})
        }
        Err(_) => json!({"exists": false}),
    }
}
