//! What changed since the last deploy runs again, and nothing else.

use std::collections::BTreeMap;

use previewbot::manager::Manager;
use secrecy::SecretString;

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner:
  before: 'echo before'
  after: ./after.sh
  services:
    db: {outputs: [URL], seed: 'echo URL=u1'}
services:
  web: {path: web, env: {PORT: '{{self.port}}', KEY: '{{secrets.KEY}}'}}
runner: {before: 'true', deploy: ./deploy.sh, after: 'true'}
";

const COMMIT_A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const COMMIT_B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// What one deploy is given.
struct Given {
    config: String,
    commit: Option<&'static str>,
    secret: &'static str,
    boot: &'static str,
    no_cache: bool,
}

impl Default for Given {
    fn default() -> Self {
        Self { config: CONFIG.to_owned(), commit: Some(COMMIT_A), secret: "s1", boot: "first", no_cache: false }
    }
}

fn replaced(from: &str, to: &str) -> Given {
    assert!(CONFIG.contains(from), "{from} is no part of the configuration");
    Given { config: CONFIG.replace(from, to), ..Given::default() }
}

async fn deployed(world: &std::sync::Arc<World>, given: &Given) -> previewbot::manager::Deployed {
    let mut dependencies = world.dependencies(&given.config, "local");
    dependencies.commit = given.commit.map(|commit| commit.parse().unwrap());
    dependencies.secrets = BTreeMap::from([("KEY".to_owned(), SecretString::from(given.secret))]);
    dependencies.boot = Some(given.boot.to_owned());
    dependencies.no_cache = given.no_cache;
    Manager::new(dependencies).init(&e1(), None).await.unwrap()
}

async fn ready() -> std::sync::Arc<World> {
    let world = World::new();
    world.write("project/after.sh", "true\n");
    world.write("wt/e1/deploy.sh", "true\n");
    for script in ["project/after.sh", "wt/e1/deploy.sh"] {
        executable(&world, script);
    }
    deployed(&world, &Given::default()).await;
    world.take_events();
    world
}

fn executable(world: &World, relative: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(world.path(relative), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_changed_script_runs_its_hook_again() {
    let world = ready().await;
    world.write("wt/e1/deploy.sh", "echo new\n");
    deployed(&world, &Given::default()).await;
    assert_eq!(world.take_ran(), ["runner_deploy"]);
    world.write("project/after.sh", "echo new\n");
    deployed(&world, &Given::default()).await;
    assert_eq!(world.take_ran(), ["provisioner_after"]);
}

#[tokio::test]
async fn a_changed_seed_is_told_and_wipes_nothing() {
    let world = ready().await;
    let deployed = deployed(&world, &replaced("echo URL=u1", "echo URL=u2")).await;
    assert_eq!(deployed.stale_seeds, ["seed_db"]);
    assert!(!deployed.seeded());
    assert_eq!(deployed.entry.provisioner_outputs.unwrap()["db"]["URL"], "u1");
}

#[tokio::test]
async fn records_without_fingerprints_count_as_matching() {
    let world = ready().await;
    world.tamper("e1", |entry| entry.steps.values_mut().for_each(|record| record.fingerprint = None));
    deployed(&world, &Given { commit: Some(COMMIT_B), ..Given::default() }).await;
    assert_eq!(world.take_ran(), Vec::<String>::new());
}

#[tokio::test]
async fn files_that_were_changed_are_written_again() {
    let world = ready().await;
    world.write("wt/e1/web/.env.local", "PORT=1\n");
    deployed(&world, &Given::default()).await;
    assert_eq!(world.take_ran(), ["generate_env", "runner_deploy", "runner_after"]);
    assert!(world.read("wt/e1/web/.env.local").unwrap().contains("KEY=s1\n"));
    assert!(!world.read("wt/e1/.previewctl.json").unwrap().contains("s1"), "the manifest holds no secret");
}

#[tokio::test]
async fn infrastructure_that_died_is_started_again() {
    let world = ready().await;
    world.running.store(false, std::sync::atomic::Ordering::SeqCst);
    deployed(&world, &Given::default()).await;
    assert_eq!(world.take_ran(), ["start_infra"]);
}

#[tokio::test]
async fn after_a_stop_all_that_makes_it_run_runs_again() {
    let world = ready().await;
    world.manager(CONFIG).stop("e1").await.unwrap();
    assert_eq!(world.entry("e1").unwrap().status.as_str(), "stopped");
    assert_eq!(world.take_ran(), ["stop_infra"]);
    deployed(&world, &Given::default()).await;
    assert_eq!(
        world.take_ran(),
        ["runner_before", "generate_env", "start_infra", "runner_deploy", "runner_after"]
    );
}

#[tokio::test]
async fn a_missing_script_is_named_before_anything_runs() {
    let world = ready().await;
    std::fs::remove_file(world.path("wt/e1/deploy.sh")).unwrap();
    world.take_hooks();
    let mut dependencies = world.dependencies(CONFIG, "local");
    dependencies.commit = Some(COMMIT_A.parse().unwrap());
    dependencies.boot = Some("first".to_owned());
    dependencies.secrets = BTreeMap::from([("KEY".to_owned(), SecretString::from("s1"))]);
    let error = Manager::new(dependencies).init(&e1(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "hook runner.deploy: script ./deploy.sh does not exist at this commit");
    assert!(!error.may_retry());
    assert!(world.take_hooks().is_empty(), "no hook was to run");
}
