//! What runs again after which change, as `fixtures/manager/fingerprints.yaml` says.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::CreateRequest;
use previewbot::domain::yaml;
use previewbot::manager::{Deployed, Manager};
use secrecy::SecretString;
use serde::Deserialize;

use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner:
  before: 'echo before'
  after: ./after.sh
  services:
    db: {outputs: [URL], seed: 'echo URL=u1; echo GLOBAL_ZONE=z1', reset: 'cat <root>/reset'}
infrastructure: {compose_file: infra.yaml}
services:
  web: {path: web, build: 'echo web', start: 'run {{self.port}}', env: {PORT: '{{self.port}}', KEY: '{{secrets.KEY}}', DB: '{{provisioner.db.URL}}', ZONE: '{{store.ZONE}}', LEVEL: low}}
  api: {path: api, build: 'echo api', start: 'api', port: 4000}
runner:
  before: 'true'
  deploy: './deploy.sh $PREVIEWCTL_STORE_COLOUR $TOKEN'
  after: 'true'
  compose: {image: 'node:20', autostart: [web], proxy: {domain: p.example.com}}
";

const MACHINE: &str = "version: 1
name: demo
provisioner:
  compute: {create: 'echo VM_IP=10.0.0.9; echo REMOTE_ROOT=<root>/remote', destroy: 'true', outputs: [VM_IP]}
";

/// One line of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    base: Option<String>,
    change: Change,
    runs: Vec<String>,
    #[serde(default)]
    told: Vec<String>,
    #[serde(default)]
    anew: Vec<String>,
    #[serde(default)]
    then: Vec<String>,
}

/// What is different.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    replace: Option<(String, String)>,
    commit: Option<String>,
    branch: Option<String>,
    boot: Option<String>,
    mode: Option<String>,
    ports: Option<PortMap>,
    secret: BTreeMap<String, String>,
    write: BTreeMap<String, String>,
    store: BTreeMap<String, String>,
    reset: Option<String>,
    service_start: Option<String>,
    service_stop: Option<String>,
}

/// A world with everything that hooks need.
fn prepared() -> Arc<World> {
    let world = World::new();
    for (script, text) in
        [("project/after.sh", "true\n"), ("wt/e1/deploy.sh", "true\n"), ("wt/e1/infra.yaml", "services: {}\n")]
    {
        world.write(script, text);
        std::fs::set_permissions(world.path(script), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::create_dir_all(world.path("remote")).unwrap();
    world
}

struct Deploys<'a> {
    world: &'a Arc<World>,
    machine: bool,
}

impl Deploys<'_> {
    fn manager(&self, change: &Change) -> Manager {
        let base = if self.machine { MACHINE } else { CONFIG };
        let config = change.replace.as_ref().map_or(base.to_owned(), |(from, to)| {
            assert!(base.contains(from.as_str()), "{from:?} is no part of the configuration");
            base.replace(from.as_str(), to)
        });
        let mut dependencies = self.world.dependencies(&config, change.mode.as_deref().unwrap_or("local"));
        dependencies.commit = Some(change.commit.clone().unwrap_or_else(|| "a".repeat(40)).parse().unwrap());
        dependencies.boot = Some(change.boot.clone().unwrap_or_else(|| "first".to_owned()));
        for (name, first) in [("KEY", "first-secret"), ("TOKEN", "first-token")] {
            let value = change.secret.get(name).cloned().unwrap_or_else(|| first.to_owned());
            dependencies.secrets.insert(name.to_owned(), SecretString::from(value));
        }
        Manager::new(dependencies)
    }

    async fn deploy(&self, change: &Change) -> Deployed {
        let branch = change.branch.clone().unwrap_or_else(|| "b1".to_owned());
        let request = CreateRequest { environment: "e1".to_owned(), branch, base: None };
        let manager = self.manager(change);
        let deployed = if self.machine {
            manager.provision(&request, None).await
        } else {
            manager.init(&request, None).await
        };
        deployed.unwrap()
    }

    /// Makes the change; what is told beside the steps that run.
    async fn apply(&self, change: &Change) -> Vec<String> {
        for (path, text) in &change.write {
            self.world.write(path, text);
        }
        if let Some(ports) = &change.ports {
            *self.world.ports.lock().unwrap() = ports.clone();
        }
        let manager = self.manager(change);
        if !change.store.is_empty() {
            manager.store_set("e1", &change.store).await.unwrap();
        }
        if let Some(printed) = &change.reset {
            self.world.write("reset", printed);
            manager.core_reset("db", "e1").await.unwrap();
        } else if let Some(service) = &change.service_start {
            manager.service_start("e1", service).await.unwrap();
        } else if let Some(service) = &change.service_stop {
            manager.service_stop("e1", service).await.unwrap();
        } else {
            let deployed = self.deploy(change).await;
            let machine = deployed.stale_compute.then(|| "create_compute".to_owned());
            return deployed.stale_seeds.into_iter().chain(machine).collect();
        }
        Vec::new()
    }
}

/// Steps that ran since the last look, without the one that has no record.
fn ran(world: &World) -> Vec<String> {
    world.take_ran().into_iter().filter(|step| step != "sync_code").collect()
}

#[tokio::test]
async fn a_change_runs_what_depends_on_it_and_nothing_else() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/manager/fingerprints.yaml"));
    let cases: Vec<Case> = yaml::from_str(&text.unwrap()).unwrap();
    let mut failures = Vec::new();
    for case in cases {
        let world = prepared();
        world.owns_checkout.store(true, std::sync::atomic::Ordering::SeqCst);
        let deploys = Deploys { world: &world, machine: case.base.as_deref() == Some("machine") };
        deploys.deploy(&Change::default()).await;
        world.take_events();
        world.made_anew.lock().unwrap().clear();
        let told = deploys.apply(&case.change).await;
        let found = (ran(&world), told, std::mem::take(&mut *world.made_anew.lock().unwrap()));
        if found != (case.runs.clone(), case.told, case.anew) {
            failures.push(format!("{}: {found:?}", case.name));
        }
        deploys.deploy(&case.change).await;
        let then = ran(&world);
        if then != case.then {
            failures.push(format!("{}: then {then:?}", case.name));
        }
        deploys.deploy(&case.change).await;
        let last = ran(&world);
        if !last.is_empty() {
            failures.push(format!("{}: at last {last:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
