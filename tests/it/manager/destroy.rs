//! Destroying goes on past failures, says what is left, and can be finished later.

use previewbot::manager::ManagerError;

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner:
  services:
    db: {outputs: [U], seed: 'echo U=1', destroy: 'echo db >> <root>/done; test -e <root>/ok'}
    mq: {outputs: [U], seed: 'echo U=1', destroy: 'echo mq >> <root>/done'}
services:
  web: {path: web, env: {PORT: '{{self.port}}'}}
runner: {destroy: 'echo runner >> <root>/done'}
";

async fn left(world: &std::sync::Arc<World>) -> Vec<String> {
    match world.manager(CONFIG).destroy("e1").await {
        Err(ManagerError::Destroy(error)) => error.left,
        other => panic!("the destroy should be incomplete, not {other:?}"),
    }
}

#[tokio::test]
async fn what_is_done_is_not_done_again() {
    let world = World::new();
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    world.take_events();
    assert_eq!(left(&world).await, ["the data of service db"]);
    assert_eq!(world.read("done").unwrap(), "runner\ndb\nmq\n");
    assert!(!world.path("wt/e1").exists());
    let expected = [
        "load_state:completed",
        "runner_destroy:completed",
        "destroy_core_db:failed",
        "destroy_core_mq:completed",
        "destroy_compute:completed",
        "cleanup_env:completed",
    ];
    assert_eq!(world.take_events(), expected);
    world.write("ok", "");
    world.manager(CONFIG).destroy("e1").await.unwrap();
    assert_eq!(
        world.take_events(),
        ["load_state:completed", "destroy_core_db:completed", "remove_state:completed"]
    );
    assert_eq!(world.entry("e1"), None);
}

#[tokio::test]
async fn an_environment_wanted_again_is_made_anew_where_it_was_destroyed() {
    let world = World::new();
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    left(&world).await;
    world.take_events();
    let error = world.manager(CONFIG).init(&e1(), None).await.unwrap_err();
    assert!(error.to_string().contains("db.destroy"), "half destroyed data is no data: {error}");
    world.take_events();
    world.write("ok", "");
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    let expected = ["seed_db", "build_manifest", "write_manifest", "generate_env", "start_infra"];
    assert_eq!(world.take_ran(), expected);
    world.manager(CONFIG).destroy("e1").await.unwrap();
    assert_eq!(world.read("done").unwrap(), "runner\ndb\nmq\ndb\ndb\nrunner\ndb\nmq\n");
}

#[tokio::test]
async fn a_compute_that_cannot_be_reached_leaves_the_rest_destroyed() {
    let world = World::new();
    world.write("ok", "");
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    world.unavailable.store(true, std::sync::atomic::Ordering::SeqCst);
    world.fail(&["destroy"]);
    let error = world.manager(CONFIG).destroy("e1").await.unwrap_err();
    assert!(error.may_retry());
    assert!(error.to_string().contains("destroy boom"), "{error}");
    world.fail(&[]);
    world.manager(CONFIG).destroy("e1").await.unwrap();
    assert_eq!(world.read("done").unwrap(), "runner\ndb\nmq\n");
}
