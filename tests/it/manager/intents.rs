//! What makes something outside says so before it does.

use previewbot::domain::checkpoint::RecordStatus;
use previewbot::domain::ports::HookCommand;
use previewbot::manager::ManagerError;

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner:
  services:
    db: {outputs: [URL], seed: 'test -e <root>/ok && echo URL=u1', destroy: 'rm -f <root>/data', reset: 'cat <root>/reset'}
";

fn operation(command: &HookCommand) -> &str {
    &command.environment["PREVIEWCTL_OPERATION_ID"]
}

fn scripts(world: &World, hooks: &[HookCommand]) -> Vec<String> {
    hooks.iter().map(|hook| world.without_root(&hook.script)).collect()
}

const SEED: &str = "test -e <root>/ok && echo URL=u1";
const DESTROY: &str = "rm -f <root>/data";

#[tokio::test]
async fn a_failed_seed_is_destroyed_and_seeded_anew_under_the_same_operation() {
    let world = World::new();
    let error = world.manager(CONFIG).provision(&e1(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "hook provisioner.services.db.seed exited with code 1");
    let first = world.take_hooks();
    assert_eq!(scripts(&world, &first), [SEED]);
    world.write("ok", "");
    world.manager(CONFIG).provision(&e1(), None).await.unwrap();
    let second = world.take_hooks();
    assert_eq!(scripts(&world, &second), [DESTROY, SEED]);
    assert!(!operation(&first[0]).is_empty());
    assert_eq!(operation(&first[0]), operation(&second[1]));
}

#[tokio::test]
async fn an_interrupted_seed_is_destroyed_and_seeded_anew() {
    let world = World::new();
    world.write("ok", "");
    world.manager(CONFIG).provision(&e1(), None).await.unwrap();
    let first = world.take_hooks();
    world.tamper("e1", |entry| entry.steps.get_mut("seed_db").unwrap().status = RecordStatus::Started);
    world.manager(CONFIG).provision(&e1(), None).await.unwrap();
    let second = world.take_hooks();
    assert_eq!(scripts(&world, &second), [DESTROY, SEED]);
    assert_eq!(operation(&first[0]), operation(&second[0]));
}

#[tokio::test]
async fn another_operation_has_another_id() {
    let world = World::new();
    world.write("ok", "");
    world.manager(CONFIG).provision(&e1(), None).await.unwrap();
    world.manager(CONFIG).provision(&e1(), Some("seed_db")).await.unwrap();
    let hooks = world.take_hooks();
    assert_eq!(scripts(&world, &hooks), [SEED, SEED]);
    assert_ne!(operation(&hooks[0]), operation(&hooks[1]));
}

#[tokio::test]
async fn nothing_is_seeded_when_the_intent_cannot_be_stored() {
    let world = World::new();
    let config = CONFIG.replace("test -e <root>/ok", "touch <root>/seeded");
    world.manager(&config).provision(&e1(), Some("allocate_ports")).await.unwrap();
    std::fs::remove_file(world.path("seeded")).unwrap();
    world.tamper("e1", |entry| drop(entry.steps.remove("seed_db")));
    world.fail(&["state_set"]);
    let error = world.manager(&config).provision(&e1(), None).await.unwrap_err();
    assert!(error.to_string().contains("set boom"), "{error}");
    assert!(!world.path("seeded").exists(), "it acted without an intent on record");
}

#[tokio::test]
async fn an_interrupted_reset_is_repeated_by_the_next_deploy() {
    let world = World::new();
    world.write("ok", "");
    world.manager(CONFIG).provision(&e1(), None).await.unwrap();
    let mut dependencies = world.dependencies(&CONFIG.replace("cat <root>/reset", "sleep 60"), "local");
    dependencies.step_timeout = std::time::Duration::from_millis(50);
    let cut_off = previewbot::manager::Manager::new(dependencies).core_reset("db", "e1").await.unwrap_err();
    assert!(cut_off.to_string().contains("did not end within"), "{cut_off}");
    assert_eq!(world.entry("e1").unwrap().steps["reset_db"].status, RecordStatus::Started);
    let interrupted = world.take_hooks();
    world.write("reset", "URL=r\n");
    world.manager(CONFIG).provision(&e1(), None).await.unwrap();
    let repeated = world.take_hooks();
    assert_eq!(scripts(&world, &repeated), ["cat <root>/reset"]);
    assert_eq!(operation(interrupted.last().unwrap()), operation(&repeated[0]));
    let entry = world.entry("e1").unwrap();
    assert_eq!(entry.provisioner_outputs.unwrap()["db"]["URL"], "r");
    assert!(!entry.steps.contains_key("reset_db"));
}

#[tokio::test]
async fn an_unreachable_compute_may_be_tried_again_and_a_failing_hook_not() {
    let world = World::new();
    world.unavailable.store(true, std::sync::atomic::Ordering::SeqCst);
    world.fail(&["create"]);
    let error = world.manager(CONFIG).init(&e1(), None).await.unwrap_err();
    assert!(error.may_retry());
    world.fail(&[]);
    let error = world
        .manager(&CONFIG.replace("test -e <root>/ok", "echo PASSWORD=hidden; exit 3"))
        .init(&e1(), None)
        .await;
    let Err(ManagerError::Step(error)) = error else { panic!("a step should fail") };
    assert!(!error.may_retry());
    assert_eq!((error.step.as_str(), error.exit_code()), ("seed_db", Some(3)));
    assert_eq!(error.log_tail(), ["PASSWORD=********"]);
}
