//! Vectors of `lifecycle` whose answer is only words: each sentence as a check.

use previewbot::domain::manifest::Manifest;
use serde_json::Value;

use super::checks::{Verdict, ensure};
use super::lifecycle::{Played, text};
use super::vectors::Vector;
use crate::world::World;

fn has(played: &Played, event: &str) -> bool {
    played.events.iter().any(|e| e == event)
}

fn refused(played: &Played) -> Verdict {
    ensure(played.error.is_some(), "it was not refused")
}

fn completed(played: &Played, steps: &[&str]) -> Verdict {
    if let Some(error) = &played.error {
        return Err(format!("{error:?}"));
    }
    let missing: Vec<_> = steps.iter().filter(|step| !has(played, &format!("{step}:completed"))).collect();
    ensure(missing.is_empty(), format!("{missing:?} did not run: {:?}", played.events))
}

/// Every teardown was attempted, the failure is told, and the entry is kept because something is left.
fn torn_down_in_spite_of(played: &Played, failing: &str, hook: &str) -> Verdict {
    ensure(has(played, &format!("{failing}:failed")), format!("{:?}", played.events))?;
    ensure(
        has(played, "destroy_compute:completed") && has(played, "cleanup_env:completed"),
        "not all was attempted",
    )?;
    let message = played.error.as_ref().map(|(_, message)| message.clone()).unwrap_or_default();
    ensure(message.contains(hook) && message.contains("code 3"), format!("error {message:?}"))?;
    ensure(!played.state.is_null(), "the entry is gone although something is left")
}

/// Whether a vector's words hold for what was played.
pub(super) fn requirement(vector: &Vector, world: &World, played: &[Played]) -> Verdict {
    always(vector, world, played)?;
    let last = played.last().ok_or("nothing was played")?;
    match vector.name.as_str() {
        "worktree_removed_is_recreated" => {
            let steps = ["create_compute", "allocate_ports", "build_manifest", "write_manifest", "generate_env"];
            completed(last, &steps)?;
            completed(last, &["start_infra"])?;
            ensure(world.read("wt/e1/apps/web/.env.local").is_some(), "the env file is missing")
        }
        "config_change_is_not_noticed" => {
            let manifest = world.read("wt/e1/.previewctl.json").unwrap_or_default();
            ensure(manifest.contains("\"NEW\""), manifest)
        }
        "branch_change_is_not_noticed" => {
            refused(last)?;
            ensure(last.state["branch"] == "b1", format!("{}", last.state))
        }
        "reprovision_does_not_invalidate_runner" => {
            let steps = ["runner_before", "generate_env", "start_infra", "runner_deploy", "runner_after"];
            completed(last, &steps)
        }
        "attach_over_provisioned_env_allowed" => {
            refused(last)?;
            ensure(last.state["compute"]["path"] == "<root>/wt/x1", format!("{}", last.state))
        }
        "run_from_is_ignored" => {
            completed(last, &["start_infra"])?;
            ensure(!last.events.iter().any(|e| e.starts_with("generate_env")), format!("{:?}", last.events))
        }
        "destroy_attached_only_stops" => {
            ensure(last.error.is_none() && last.compute_calls == ["stop"], format!("{:?}", last.compute_calls))?;
            let left = [world.read("ext/.previewctl.json"), world.read("ext/apps/web/.env.local")];
            ensure(left == [None, None] && world.path("ext").is_dir(), format!("{left:?}"))
        }
        "destroy_runner_hook_failure_aborts" => torn_down_in_spite_of(last, "runner_destroy", "runner.destroy"),
        "destroy_service_hook_failure_aborts" => torn_down_in_spite_of(last, "destroy_core_pg", "pg.destroy"),
        "core_reset_does_not_rewrite_manifest" => {
            let env = world.read("wt/e1/apps/web/.env.local").unwrap_or_default();
            ensure(last.error.is_none() && env.lines().any(|line| line == "PORT=r"), env)?;
            let manifest = world.read("wt/e1/.previewctl.json").unwrap_or_default();
            ensure(manifest.contains("\"URL\": \"r\""), manifest)
        }
        "later_env_file_heredoc_injection" => {
            let file = world.read("wt/e1/w/.env.local").unwrap_or_default();
            ensure(last.error.is_none() && file.contains("echo pwned"), file)
        }
        // Words that nobody has put into a check yet: what always holds must do.
        _ => Ok(()),
    }
}

/// What holds whatever is asked for: nothing but hooks makes files beside the environments, a good end is told as
/// such, what is recorded is what was made, and env files say what the manifest says.
fn always(vector: &Vector, world: &World, played: &[Played]) -> Verdict {
    ensure(world.read("pwned").is_none(), "a value was run as a command")?;
    let calls: Vec<Value> = vector.part_or_default("calls");
    for (call, played) in calls.iter().zip(played) {
        if played.error.is_none() && matches!(text(call, "op"), "init" | "attach") {
            ensure(played.state["status"] == "running", format!("{}", played.state))?;
        }
        let created = format!("create env={} branch=", text(call, "env"));
        let branch = played.compute_calls.iter().find_map(|made| made.strip_prefix(&created));
        if let (Some(branch), true) = (branch, played.state.is_object()) {
            let branch = branch.split(' ').next().unwrap_or_default();
            ensure(played.state["branch"] == branch, format!("{branch} was checked out: {}", played.state))?;
        }
        env_files_agree(world, text(call, "env"), played)?;
    }
    Ok(())
}

fn env_files_agree(world: &World, environment: &str, played: &Played) -> Verdict {
    let generated = played.events.iter().any(|event| event == "generate_env:completed");
    let manifest = world.read(&format!("wt/{environment}/.previewctl.json"));
    let manifest = manifest.and_then(|text| Manifest::from_text(&text).ok());
    for (path, variables) in manifest.filter(|_| generated).iter().flat_map(Manifest::env_files) {
        let file = world.path(&format!("wt/{environment}/{path}"));
        if file.exists() {
            let read = crate::env_readers::sourced(&file);
            ensure(read == variables, format!("{path} says {read:?}, the manifest {variables:?}"))?;
        }
    }
    Ok(())
}
