//! What hooks print, and what comes of running one.

use std::collections::BTreeMap;
use std::time::Duration;

use previewbot::domain::environment::LifeId;
use previewbot::domain::hook::{display_line, global_outputs, parse_outputs, require_outputs};
use previewbot::domain::ports::{HookCommand, HookExit, HookOutcome, HookRunner, SystemRandom};
use previewbot::outbound::clock::OsRandom;
use previewbot::outbound::supervisor::{LocalHookRunner, RunnerOptions, end_marked_processes};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::checks::{Outcome, Verdict, compare, ensure, json, unknown_operation};
use super::vectors::{Answer, Vector};

pub(super) fn hook_outputs(vector: &Vector, answer: &Answer) -> Verdict {
    let outcome: Outcome = match vector.op.as_deref() {
        Some("hook_parse") => Ok(json(parse_outputs(vector.text("stdout")))),
        Some("redact") => Ok(json(display_line(vector.text("line")))),
        Some("globals") => Ok(json(global_outputs(&vector.part_or_default("outputs")))),
        Some("hook_exec") => executed(vector),
        other => return unknown_operation(other),
    };
    compare(answer, outcome, |_, outcome| {
        let names = match outcome {
            Ok(Value::Object(outputs)) => outputs.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let odd: Vec<&String> =
            names.iter().filter(|name| name.is_empty() || name.contains(char::is_whitespace)).collect();
        ensure(odd.is_empty(), format!("{odd:?} are no names"))
    })
}

/// `NAME=value` texts as a map; a text without `=` is a variable that is empty.
pub(super) fn variables(list: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    list.iter().map(pair).collect()
}

/// Runs the hook under the real supervisor.
fn executed(vector: &Vector) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path().join("workdir");
    std::fs::create_dir(&workdir).unwrap();
    std::fs::write(workdir.join("marker.txt"), "in-workdir").unwrap();
    let command = HookCommand {
        step: "hook".to_owned(),
        script: vector.text("script").to_owned(),
        directory: workdir.to_string_lossy().into_owned(),
        environment: variables(&vector.part_or_default::<Vec<String>>("env")),
        timeout: Duration::from_mins(1),
        fingerprint: String::new(),
        killable: true,
        prints_values: false,
    };
    let outcome = super::access::block_on(async {
        let life = LifeId(OsRandom.uuid());
        let outcome = runner(folder.path(), life).await.run(&command, &CancellationToken::new()).await;
        end_marked_processes(life).await;
        outcome
    });
    judged(
        &outcome.map_err(|error| ("hook_failed", error.chain()))?,
        &vector.part_or_default::<Vec<String>>("outputs"),
    )
}

fn judged(outcome: &HookOutcome, declared: &[String]) -> Outcome {
    match outcome.exit {
        HookExit::Signal(signal) => return Err(("hook_killed", format!("killed by signal {signal}"))),
        HookExit::Code(0) => {}
        HookExit::Code(code) => return Err(("hook_failed", format!("exit code {code}"))),
    }
    let outputs = parse_outputs(&outcome.stdout);
    require_outputs(&outputs, declared).map_err(|missing| ("hook_missing_outputs", missing.to_string()))?;
    Ok(json(outputs))
}

/// A supervisor that keeps its files below `folder`.
pub(super) async fn runner(folder: &std::path::Path, life: LifeId) -> LocalHookRunner {
    let options = RunnerOptions { root: folder.join("previews"), life, epoch: 1, run_as: None, commit: None };
    LocalHookRunner::take_over(options).await.unwrap()
}
