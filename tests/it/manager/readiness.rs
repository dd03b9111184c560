//! Ready means that the published URL answers; what cannot be run is refused before anything is made.

use std::sync::Arc;

use previewbot::domain::port_map::PortMap;
use previewbot::manager::{Manager, ManagerError};

use super::looks::{FakeProbe, e1};
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
services:
  api: {path: api}
  web: {path: web}
runner: {deploy: 'echo listening'}
preview: {probe: {service: web, path: /healthz}}
";

#[tokio::test]
async fn the_configured_url_is_asked_after_everything_else() {
    let world = World::new();
    let probe = Arc::new(FakeProbe::default());
    let mut dependencies = world.dependencies(CONFIG, "local");
    dependencies.probe = Some(probe.clone());
    let manager = Manager::new(dependencies);
    manager.init(&e1(), None).await.unwrap();
    assert_eq!(*probe.urls.lock().unwrap(), ["http://localhost:61000/healthz"]);
    assert_eq!(world.take_ran().last().unwrap(), "probe");
    let plan = world.plans.lock().unwrap().remove(0);
    let expected = ["create_compute", "allocate_ports", "build_manifest", "write_manifest"];
    assert_eq!(plan, [&expected[..], &["start_infra", "runner_deploy", "probe"]].concat());
    manager.init(&e1(), None).await.unwrap();
    assert_eq!(world.take_ran(), ["probe"], "it is asked every time");
}

#[tokio::test]
async fn a_silent_preview_fails_naming_the_service_with_its_last_lines() {
    let world = World::new();
    let mut dependencies = world.dependencies(CONFIG, "local");
    dependencies.probe = Some(Arc::new(FakeProbe { dead: true, ..FakeProbe::default() }));
    let Err(ManagerError::Step(error)) = Manager::new(dependencies).init(&e1(), None).await else {
        panic!("the probe should fail");
    };
    assert_eq!(error.step, "probe");
    assert!(error.to_string().starts_with("service web is not ready: http://localhost:61000/healthz"), "{error}");
    assert_eq!(error.log_tail(), ["listening"]);
    assert_eq!(world.entry("e1").unwrap().status.as_str(), "provisioned");
}

#[tokio::test]
async fn code_is_synced_only_where_the_bot_owns_the_checkout() {
    let world = World::new();
    world.owns_checkout.store(true, std::sync::atomic::Ordering::SeqCst);
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    assert_eq!(world.take_calls(), ["create env=e1 branch=b1", "allocate_ports", "sync_code", "start"]);
    world.manager(CONFIG).attach("x1", &world.path("ext").to_string_lossy()).await.unwrap();
    assert!(!world.take_calls().contains(&"sync_code".to_owned()), "a person's worktree is left alone");
}

#[tokio::test]
async fn fixed_ports_are_leased_but_on_a_machine_of_ones_own() {
    let fixed = PortMap::from([("web".to_owned(), 4000)]);
    let machine = "provisioner: {compute: {create: 'echo VM_IP=10.0.0.9; echo REMOTE_ROOT=<root>/remote', destroy: 'true', outputs: [VM_IP]}}\n";
    for (mode, compute, leased) in [("local", "", &fixed), ("remote", machine, &PortMap::new())] {
        let world = World::new();
        std::fs::create_dir_all(world.path("remote")).unwrap();
        let config = format!("version: 1\nname: demo\nservices: {{web: {{path: web, port: 4000}}}}\n{compute}");
        let manager = Manager::new(world.dependencies(&config, mode));
        manager.provision(&e1(), None).await.unwrap();
        assert_eq!(*world.fixed.lock().unwrap(), *leased, "{mode}");
        assert_eq!(world.entry("e1").unwrap().ports, Some(fixed.clone()), "{mode}");
    }
}
