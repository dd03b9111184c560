//! What a deploy would do, told without doing it.

use std::sync::Arc;

use previewbot::domain::ports::CreateRequest;
use previewbot::manager::{Manager, PlannedStep};

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner:
  services:
    db: {outputs: [URL], seed: 'echo URL=u1'}
services:
  web: {path: web, start: run, env: {DB: '{{provisioner.db.URL}}', LEVEL: low}}
runner:
  before: 'true'
  after: {command: 'true', allow_cache: false}
  compose: {image: 'node:20', autostart: [web]}
";

fn shown(planned: &[PlannedStep]) -> Vec<String> {
    let word = |step: &PlannedStep| if step.runs { "run" } else { "skip" };
    planned.iter().map(|step| format!("{} {}: {}", word(step), step.step, step.why)).collect()
}

async fn running() -> Arc<World> {
    let world = World::new();
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    world.take_events();
    world.take_calls();
    world.take_hooks();
    world
}

async fn planned(world: &Arc<World>, config: &str, from: Option<&str>) -> Vec<String> {
    let (entry, saves) = (world.entry("e1"), world.saves.load(std::sync::atomic::Ordering::SeqCst));
    let planned = world.manager(config).plan(&e1(), from).await.unwrap();
    assert_eq!(world.entry("e1"), entry);
    assert_eq!(world.saves.load(std::sync::atomic::Ordering::SeqCst), saves, "nothing is stored");
    assert!(world.take_hooks().is_empty() && world.take_events().is_empty(), "nothing is run");
    let changing = |call: &String| !["is_running", "detect_branch"].contains(&call.as_str());
    assert!(!world.take_calls().iter().any(changing), "nothing is made");
    shown(&planned)
}

#[tokio::test]
async fn a_first_deploy_runs_everything_that_is_set() {
    let world = World::new();
    assert_eq!(
        planned(&world, CONFIG, None).await,
        [
            "skip provisioner_before: hook provisioner.before is not set",
            "run create_compute: never ran",
            "run allocate_ports: never ran",
            "run seed_db: never ran",
            "run build_manifest: never ran",
            "run write_manifest: never ran",
            "skip provisioner_after: hook provisioner.after is not set",
            "run runner_before: never ran",
            "run generate_env: never ran",
            "run start_infra: never ran",
            "run generate_compose: never ran",
            "skip generate_nginx: the proxy is off",
            "run build_services: never ran",
            "run start_services: never ran",
            "skip runner_deploy: hook runner.deploy is not set",
            "run runner_after: never ran",
        ]
    );
    assert!(world.entry("e1").is_none());
}

#[tokio::test]
async fn only_what_changed_runs_and_the_plan_says_what_that_is() {
    let world = running().await;
    let unchanged = planned(&world, CONFIG, None).await;
    let runs: Vec<&String> = unchanged.iter().filter(|line| line.starts_with("run ")).collect();
    assert_eq!(runs, ["run runner_after: may not be skipped (allow_cache: false)"]);
    let kept = "skip seed_db: done, and nothing changed".to_owned();
    assert!(unchanged.contains(&kept), "{unchanged:?}");

    let changed = CONFIG.replace("LEVEL: low", "LEVEL: high").replace("echo URL=u1", "echo URL=u2");
    let expected = [
        "skip seed_db: done; it changed since, but running it again would lose what it made",
        "run build_manifest: changed: services.web",
        "run write_manifest: changed: services.web",
        "run generate_env: changed: web/.env.local",
        "run start_services: build_manifest runs before it",
    ];
    let plan = planned(&world, &changed, None).await;
    for line in expected {
        assert!(plan.contains(&line.to_owned()), "{line} is not in {plan:#?}");
    }
    let deployed = world.manager(&changed).init(&e1(), None).await.unwrap();
    let foreseen: Vec<String> =
        plan.iter().filter_map(|line| Some(line.strip_prefix("run ")?.split_once(':')?.0.to_owned())).collect();
    assert_eq!(deployed.ran, foreseen, "what was foreseen is what happened");
}

#[tokio::test]
async fn what_is_gone_what_failed_and_what_is_wanted_is_said() {
    let world = running().await;
    world.write("wt/e1/web/.env.local", "");
    let plan = planned(&world, CONFIG, None).await;
    let gone = "run generate_env: verification failed: web/.env.local is missing or was changed";
    assert!(plan.contains(&gone.to_owned()), "{plan:#?}");
    world.tamper("e1", |entry| {
        entry.steps.get_mut("runner_before").unwrap().status =
            previewbot::domain::checkpoint::RecordStatus::Failed;
    });
    let plan = planned(&world, CONFIG, Some("start_services")).await;
    assert!(plan.contains(&"run runner_before: failed the last time".to_owned()), "{plan:#?}");
    assert!(plan.contains(&"run start_services: --from start_services".to_owned()), "{plan:#?}");
    let mut dependencies = world.dependencies(CONFIG, "local");
    dependencies.no_cache = true;
    let plan = shown(&Manager::new(dependencies).plan(&e1(), None).await.unwrap());
    assert!(plan.contains(&"run seed_db: everything is to run (no cache)".to_owned()), "{plan:#?}");
}

#[tokio::test]
async fn what_a_deploy_would_refuse_is_refused() {
    let world = running().await;
    let other = CreateRequest { branch: "b2".to_owned(), ..e1() };
    let error = world.manager(CONFIG).plan(&other, None).await.unwrap_err();
    assert!(error.to_string().contains("on branch `b1`"), "{error}");
    let error = world.manager(CONFIG).plan(&e1(), Some("bogus")).await.unwrap_err();
    assert!(error.to_string().contains("bogus") && error.to_string().contains("generate_env"), "{error}");
}
