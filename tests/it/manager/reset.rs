//! Bringing data back to its seed.

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner:
  services:
    db: {outputs: [URL], seed: 'echo URL=s', reset: 'cat <root>/reset', destroy: 'true'}
    mq: {outputs: [U], seed: 'echo seed >> <root>/mq; echo U=1', destroy: 'echo destroy >> <root>/mq'}
services:
  web: {path: web, env: {URL: '{{provisioner.db.URL}}'}}
runner: {before: 'true', deploy: 'test ! -e <root>/broken', after: 'true'}
";

const RUN_AGAIN: [&str; 6] =
    ["core_reset", "build_manifest", "write_manifest", "generate_env", "runner_deploy", "runner_after"];

async fn running() -> std::sync::Arc<World> {
    let world = World::new();
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    world.write("reset", "URL=r\n");
    world.take_events();
    world
}

#[tokio::test]
async fn new_outputs_reach_what_runs() {
    let world = running().await;
    assert!(world.manager(CONFIG).core_reset("db", "e1").await.unwrap());
    assert_eq!(world.take_ran(), RUN_AGAIN);
    assert!(world.read("wt/e1/web/.env.local").unwrap().ends_with("URL=r\n"));
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    assert!(world.read("wt/e1/web/.env.local").unwrap().ends_with("URL=r\n"), "a deploy keeps the new value");
}

#[tokio::test]
async fn the_same_outputs_change_nothing() {
    let world = running().await;
    world.write("reset", "URL=s\n");
    assert!(!world.manager(CONFIG).core_reset("db", "e1").await.unwrap());
    assert_eq!(world.take_ran(), ["core_reset"]);
}

#[tokio::test]
async fn a_reset_that_failed_half_way_is_finished_by_the_next() {
    let world = running().await;
    world.write("broken", "");
    world.manager(CONFIG).core_reset("db", "e1").await.unwrap_err();
    std::fs::remove_file(world.path("broken")).unwrap();
    world.take_events();
    assert!(world.manager(CONFIG).core_reset("db", "e1").await.unwrap());
    assert_eq!(world.take_ran(), ["core_reset", "runner_deploy", "runner_after"]);
}

#[tokio::test]
async fn without_a_reset_hook_data_is_destroyed_and_seeded() {
    let world = running().await;
    assert!(!world.manager(CONFIG).core_reset("mq", "e1").await.unwrap());
    assert_eq!(world.read("mq").unwrap(), "seed\ndestroy\nseed\n");
}

#[tokio::test]
async fn a_reset_brings_a_changed_seed() {
    let world = running().await;
    let changed = CONFIG.replace("echo seed >> <root>/mq; echo U=1", "echo new >> <root>/mq; echo U=1");
    assert_eq!(world.manager(&changed).init(&e1(), None).await.unwrap().stale_seeds, ["seed_mq"]);
    world.manager(&changed).core_reset("mq", "e1").await.unwrap();
    assert!(world.manager(&changed).init(&e1(), None).await.unwrap().stale_seeds.is_empty());
    assert_eq!(world.read("mq").unwrap(), "seed\ndestroy\nnew\n");
}
