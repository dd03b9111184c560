//! Work that is asked to stop does, between steps and within them.

use std::time::Duration;

use previewbot::manager::Manager;

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner: {before: 'touch <root>/began; sleep 60'}
";

#[tokio::test]
async fn nothing_begins_after_a_cancellation() {
    let world = World::new();
    let dependencies = world.dependencies(CONFIG, "local");
    dependencies.cancel.cancel();
    let error = Manager::new(dependencies).init(&e1(), None).await.unwrap_err();
    assert!(error.is_cancelled() && !error.may_retry(), "{error}");
    assert!(world.take_events().is_empty());
}

#[tokio::test]
async fn a_running_hook_is_stopped_and_the_error_says_cancelled() {
    let world = World::new();
    let dependencies = world.dependencies(CONFIG, "local");
    let cancel = dependencies.cancel.clone();
    let job = tokio::spawn(async move { Manager::new(dependencies).init(&e1(), None).await });
    let began = world.path("began");
    tokio::time::timeout(Duration::from_secs(20), async {
        while !began.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    cancel.cancel();
    let error = job.await.unwrap().unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(world.take_events(), ["provisioner_before:failed"]);
}

#[tokio::test]
async fn a_hook_that_takes_too_long_says_the_limit() {
    let world = World::new();
    let mut dependencies = world.dependencies(CONFIG, "local");
    dependencies.step_timeout = Duration::from_secs(1);
    let error = Manager::new(dependencies).init(&e1(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "hook provisioner.before did not end within 1 s");
    assert!(!error.is_cancelled() && !error.may_retry());
}

#[tokio::test]
async fn a_port_that_hangs_is_given_up() {
    let world = World::new();
    world.fail(&["create_hangs", "time_passes"]);
    let error = world.manager("version: 1\nname: demo\n").init(&e1(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "making the compute root did not end within 30 s");
    assert!(!error.is_cancelled());
}

#[tokio::test]
async fn an_application_that_does_not_come_up_is_given_up() {
    let world = World::new();
    world.fail(&["up_hangs", "time_passes"]);
    let config = "version: 1\nname: demo\nrunner: {compose: {image: node, autostart: [web]}}\nservices: {web: {path: web, start: run}}\n";
    let mut dependencies = world.dependencies(config, "local");
    dependencies.step_timeout = Duration::from_secs(1);
    let error = Manager::new(dependencies).init(&e1(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "starting the application did not end within 1 s");
    world.take_calls();
    world.fail(&["up_hangs"]);
    let dependencies = world.dependencies(config, "local");
    let cancel = dependencies.cancel.clone();
    let stop = async {
        let starts = || world.calls.lock().unwrap().iter().any(|call| call.starts_with("up "));
        crate::local::bench::until("it starts", starts).await;
        cancel.cancel();
    };
    let (manager, request) = (Manager::new(dependencies), e1());
    let (error, ()) = tokio::join!(manager.init(&request, None), stop);
    assert!(error.unwrap_err().is_cancelled());
}
