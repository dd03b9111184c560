//! A bot that dies between any two writes, or in the middle of a hook: the next one brings the work to its end.

use std::sync::Arc;
use std::time::Duration;

use previewbot::domain::checkpoint::RecordStatus;
use previewbot::domain::ports::HookCommand;
use previewbot::manager::{Manager, ManagerError};

use super::looks::e1;
use super::world::World;
use crate::local::bench::until;

/// Data that can be made only once, a machine that is found again, and a deploy that needs both.
const CONFIG: &str = "version: 1
name: demo
provisioner:
  before: 'true'
  services:
    db:
      outputs: [URL]
      seed: 'test ! -e <root>/data && touch <root>/data && echo URL=u1 && echo GLOBAL_ZONE=z'
      reset: 'test -e <root>/data && echo reset >> <root>/resets && echo URL=u2'
      destroy: 'rm -f <root>/data'
services:
  web: {path: web, start: 'run {{store.ZONE}}', build: 'true', env: {DB: '{{provisioner.db.URL}}'}}
runner:
  before: 'true'
  deploy: 'true'
  compose: {image: node, autostart: [web]}
";

const MACHINE: &str = "version: 1
name: demo
provisioner:
  compute:
    create: 'echo $PREVIEWCTL_OPERATION_ID >> <root>/machines; echo VM_IP=10.0.0.9; echo REMOTE_ROOT=<root>/remote; echo GLOBAL_ZONE=eu'
    find: 'if grep -qx \"$PREVIEWCTL_OPERATION_ID\" <root>/machines; then echo VM_IP=10.0.0.9; echo REMOTE_ROOT=<root>/remote; echo GLOBAL_ZONE=eu; fi'
    destroy: 'echo \"$PREVIEWCTL_VM_IP\" > <root>/destroyed'
    outputs: [VM_IP]
";

/// Lets the bot die at its `saves`-th write from now on; whether the work ended before.
async fn dies_after(
    world: &Arc<World>,
    saves: usize,
    work: impl Future<Output = Result<(), ManagerError>>,
) -> bool {
    *world.saves_left.lock().unwrap() = Some(saves);
    let ended = work.await.is_ok();
    *world.saves_left.lock().unwrap() = None;
    ended
}

fn operations(hooks: &[HookCommand], step: &str) -> Vec<String> {
    let own = hooks.iter().filter(|hook| hook.step == step);
    own.filter_map(|hook| hook.environment.get("PREVIEWCTL_OPERATION_ID").cloned()).collect()
}

#[tokio::test]
async fn a_deploy_that_dies_at_any_write_is_finished_by_the_next() {
    let mut crashes = 0;
    for saves in 0.. {
        let world = World::new();
        let manager = world.manager(CONFIG);
        let request = e1();
        if dies_after(&world, saves, async { manager.init(&request, None).await.map(drop) }).await {
            break;
        }
        crashes += 1;
        let before = world.take_hooks();
        let deployed = world.manager(CONFIG).init(&e1(), None).await;
        let deployed = deployed.unwrap_or_else(|error| panic!("after {saves} writes: {error}"));
        assert_eq!(deployed.entry.env["ZONE"], "z", "after {saves} writes");
        assert_eq!(deployed.entry.enabled_services, ["web"]);
        assert!(world.read("wt/e1/web/.env.local").unwrap().contains("DB=u1\n"));
        let seeds = [operations(&before, "seed_db"), operations(&world.take_hooks(), "seed_db")].concat();
        assert!(seeds.iter().all(|id| *id == seeds[0]), "after {saves} writes: {seeds:?}");
        world.take_events();
        world.manager(CONFIG).init(&e1(), None).await.unwrap();
        assert_eq!(world.take_ran(), Vec::<String>::new(), "after {saves} writes");
    }
    assert!(crashes > 10, "only {crashes} points to die at");
}

#[tokio::test]
async fn a_reset_that_dies_at_any_write_reaches_what_runs_with_the_next_deploy() {
    for saves in 0.. {
        let world = World::new();
        let manager = world.manager(CONFIG);
        manager.init(&e1(), None).await.unwrap();
        world.take_hooks();
        let ended = dies_after(&world, saves, async { manager.core_reset("db", "e1").await.map(drop) }).await;
        let before = operations(&world.take_hooks(), "core_reset");
        world.manager(CONFIG).init(&e1(), None).await.unwrap();
        let after = operations(&world.take_hooks(), "core_reset");
        let entry = world.entry("e1").unwrap();
        assert!(!entry.steps.contains_key("reset_db"), "after {saves} writes");
        if before.is_empty() {
            assert_eq!(entry.provisioner_outputs.unwrap()["db"]["URL"], "u1", "it never began");
            continue;
        }
        assert_eq!(entry.provisioner_outputs.unwrap()["db"]["URL"], "u2", "after {saves} writes");
        assert!(world.read("wt/e1/web/.env.local").unwrap().contains("DB=u2\n"), "after {saves} writes");
        assert!(after.iter().all(|id| *id == before[0]), "a repeated reset is the same operation");
        if ended {
            break;
        }
    }
}

#[tokio::test]
async fn a_machine_whose_maker_died_is_found_again_and_not_made_twice() {
    for saves in 0.. {
        let world = World::new();
        std::fs::create_dir_all(world.path("remote")).unwrap();
        let (manager, request) = (world.manager(MACHINE), e1());
        world.write("machines", "");
        if dies_after(&world, saves, async { manager.provision(&request, None).await.map(drop) }).await {
            break;
        }
        let deployed = world.manager(MACHINE).provision(&e1(), None).await.unwrap();
        assert_eq!(world.read("machines").unwrap().lines().count(), 1, "after {saves} writes");
        assert_eq!(deployed.entry.compute.unwrap().host.as_deref(), Some("10.0.0.9"));
        assert_eq!(deployed.entry.env["ZONE"], "eu");
    }
}

#[tokio::test]
async fn without_a_way_to_find_it_a_machine_is_made_again_under_the_same_operation() {
    let world = World::new();
    std::fs::create_dir_all(world.path("remote")).unwrap();
    let config = MACHINE.lines().filter(|line| !line.starts_with("    find:")).collect::<Vec<_>>().join("\n");
    let (manager, request) = (world.manager(&config), e1());
    // The entry, the intent, and no more: the machine is made and nobody knows.
    assert!(!dies_after(&world, 2, async { manager.provision(&request, None).await.map(drop) }).await);
    world.manager(&config).provision(&e1(), None).await.unwrap();
    let machines = world.read("machines").unwrap();
    let ids: Vec<&str> = machines.lines().collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] == ids[1] && !ids[0].is_empty(), "its maker can tell that it is the same one");
}

#[tokio::test]
async fn a_machine_that_nobody_knows_is_found_to_be_destroyed() {
    let world = World::new();
    world.write("machines", "");
    let (manager, request) = (world.manager(MACHINE), e1());
    assert!(!dies_after(&world, 2, async { manager.provision(&request, None).await.map(drop) }).await);
    assert!(world.entry("e1").unwrap().compute.is_none());
    world.manager(MACHINE).destroy("e1").await.unwrap();
    assert_eq!(world.read("destroyed").unwrap(), "10.0.0.9\n");
}

#[tokio::test]
async fn a_find_that_prints_half_of_a_machine_is_told() {
    let world = World::new();
    let config = MACHINE.replace("outputs: [VM_IP]", "outputs: [VM_IP, SSH_USER]");
    let (manager, request) = (world.manager(&config), e1());
    world.write("machines", "");
    let _ = dies_after(&world, 2, async { manager.provision(&request, None).await.map(drop) }).await;
    let error = world.manager(&config).provision(&e1(), None).await.unwrap_err();
    assert!(
        error.to_string().contains("provisioner.compute.find") && error.to_string().contains("SSH_USER"),
        "{error}"
    );
}

/// Runs until a file is there, and then lets the work fall.
async fn dropped_at(world: &World, file: &str, work: impl Future<Output = Result<(), ManagerError>>) {
    tokio::select! {
        result = work => panic!("it ended by itself: {result:?}"),
        () = until(file, || world.path(file).exists()) => {}
    }
}

#[tokio::test]
async fn work_that_is_dropped_within_a_hook_is_taken_up() {
    for (hook, file) in [("seed", "seeding"), ("reset", "resetting")] {
        let world = World::new();
        let hanging =
            |text: &str| format!("touch <root>/{file}; until test -e <root>/go; do sleep 0.01; done; {text}");
        let config = match hook {
            "seed" => CONFIG.replace("seed: '", &format!("seed: '{}", hanging(""))),
            _ => CONFIG.replace("reset: '", &format!("reset: '{}", hanging(""))),
        };
        let manager = world.manager(&config);
        let request = e1();
        if hook == "reset" {
            manager.init(&request, None).await.unwrap();
            dropped_at(&world, file, async { manager.core_reset("db", "e1").await.map(drop) }).await;
        } else {
            dropped_at(&world, file, async { manager.init(&request, None).await.map(drop) }).await;
        }
        let record = if hook == "reset" { "reset_db" } else { "seed_db" };
        assert_eq!(
            world.entry("e1").unwrap().steps[record].status,
            RecordStatus::Started,
            "the intent is on record"
        );
        world.write("go", "");
        let mut dependencies = world.dependencies(&config, "local");
        dependencies.step_timeout = Duration::from_secs(20);
        let deployed = Manager::new(dependencies).init(&e1(), None).await.unwrap();
        let expected = if hook == "reset" { "u2" } else { "u1" };
        assert_eq!(deployed.entry.provisioner_outputs.unwrap()["db"]["URL"], expected);
    }
}
