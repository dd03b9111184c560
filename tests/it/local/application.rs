//! An application in containers beside the infrastructure, both in one compose project, on a real docker.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use previewbot::domain::entry::ComputeAccessInfo;
use previewbot::domain::error::{ErrorKind, PortResult};
use previewbot::domain::manifest::Manifest;
use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::{ComputePort, ContainerTarget, Containers, LineSink, LogRequest, Part, UpRequest};
use previewbot::domain::project::parse::parse;
use previewbot::domain::render::compose::{COMPOSE_FILE, render};
use previewbot::outbound::compute::MachineCompute;
use tokio_util::sync::CancellationToken;

use super::bench::until;
use super::compose::{Place, docker, has_docker, page, unused_port};

const INFRASTRUCTURE: &str = "
services:
  db:
    image: previewbot-test/busybox:local
    init: true
    command: httpd -f -p 80 -h /www
    ports: ['18082:80']
";

/// A generated file for services with these start commands.
fn generated(services: &[(&str, &str)]) -> String {
    let line = |(name, start): &(&str, &str)| format!("  {name}: {{path: {name}, start: '{start}'}}\n");
    let services: Vec<String> = services.iter().map(line).collect();
    let services = services.concat();
    let config = format!(
        "version: 1\nname: demo\nrunner: {{compose: {{image: 'previewbot-test/busybox:local'}}}}\nservices:\n{services}"
    );
    let config = parse(&config, "previewctl.yaml").unwrap();
    render(&config, &Manifest::default(), &BTreeMap::new(), None).unwrap()
}

/// One environment with both parts.
struct Scene {
    place: Place,
    compute: MachineCompute,
    info: ComputeAccessInfo,
}

impl Scene {
    async fn new(name: &'static str, infrastructure: &str) -> Self {
        let (place, head) = Place::new(name, infrastructure);
        let compute = place.compute(&head).await;
        let info = place.create(&compute).await;
        Self { place, compute, info }
    }

    async fn write(&self, path: &str, text: &str) {
        let access = self.compute.access(&self.info).await.unwrap();
        access.write_file(path, Some(text.as_bytes()), 0o600).await.unwrap();
    }

    fn target<'a>(&'a self, part: Part, services: &'a [String]) -> ContainerTarget<'a> {
        ContainerTarget { environment: self.place.name, info: &self.info, part, services }
    }

    async fn up(&self, part: Part, services: &[&str], revision: &str) -> PortResult<()> {
        let services: Vec<String> = services.iter().map(|&name| name.to_owned()).collect();
        let revisions = services.iter().map(|name| (name.clone(), revision.to_owned())).collect();
        let ports = PortMap::from([("db".to_owned(), unused_port())]);
        let request = UpRequest { target: self.target(part, &services), ports: &ports, revisions: &revisions };
        self.compute.up(&request, &CancellationToken::new()).await
    }

    async fn states(&self, part: Part) -> BTreeMap<String, String> {
        let containers = self.compute.containers(&self.target(part, &[])).await.unwrap();
        containers.into_iter().map(|container| (container.service, container.state)).collect()
    }

    fn ids(&self) -> Vec<String> {
        let mut ids = self.place.listed(&["ps", "-aq"]);
        ids.sort();
        ids
    }
}

fn shown(states: &[(&str, &str)]) -> BTreeMap<String, String> {
    states.iter().map(|(service, state)| ((*service).to_owned(), (*state).to_owned())).collect()
}

const SERVE: &str = "httpd -f -p PORT -h /app/www";

#[tokio::test]
async fn infrastructure_and_application_live_in_one_project_and_leave_each_other_alone() {
    if !has_docker() {
        return;
    }
    let scene = Scene::new("pr-20", INFRASTRUCTURE).await;
    let (web, api) = (unused_port(), unused_port());
    let file = generated(&[
        ("web", &SERVE.replace("PORT", &web.to_string())),
        ("api", &SERVE.replace("PORT", &api.to_string())),
    ]);
    scene.write(COMPOSE_FILE, &file).await;
    scene.write("www/page", "from the checkout\n").await;
    scene.write("web/.env.local", "GREETING='costs $5 # no comment'\n").await;
    assert!(scene.states(Part::Application).await.is_empty(), "nothing was started yet");
    scene.up(Part::Infrastructure, &[], "1").await.unwrap();
    scene.up(Part::Application, &["web"], "1").await.unwrap();
    assert_eq!(page(web).as_deref(), Some("from the checkout"));
    assert_eq!(page(api), None, "only what is named is started");
    assert_eq!(scene.states(Part::Infrastructure).await, shown(&[("db", "running")]));
    assert_eq!(scene.states(Part::Application).await, shown(&[("web", "running")]));
    let container = docker(&[
        "ps",
        "-q",
        "--filter",
        &format!("label=previewbot.environment={}", scene.place.bench.life),
        "--filter",
        "label=com.docker.compose.service=web",
    ]);
    assert_eq!(docker(&["exec", &container, "sh", "-c", "echo \"$GREETING\""]), "costs $5 # no comment");

    // Starting either one again neither removes nor remakes the other.
    let before = scene.ids();
    scene.up(Part::Application, &["web"], "1").await.unwrap();
    assert_eq!(scene.ids(), before, "nothing changed");
    scene.compute.start(scene.place.name, &scene.info, &PortMap::new(), &CancellationToken::new()).await.unwrap();
    assert_eq!(scene.states(Part::Application).await, shown(&[("web", "running")]));

    // Other code makes containers anew, of this service alone.
    let before = scene.ids();
    scene.up(Part::Application, &["web"], "2").await.unwrap();
    let after = scene.ids();
    assert_eq!(before.iter().filter(|id| after.contains(id)).count(), 1, "{before:?} {after:?}");

    let cancel = CancellationToken::new();
    scene.compute.halt(&scene.target(Part::Application, &["web".to_owned()]), &cancel).await.unwrap();
    assert_eq!(scene.states(Part::Application).await, shown(&[("web", "exited")]));
    assert_eq!(scene.states(Part::Infrastructure).await, shown(&[("db", "running")]));
    scene.compute.restart(&scene.target(Part::Application, &["web".to_owned()]), &cancel).await.unwrap();
    assert_eq!(page(web).as_deref(), Some("from the checkout"));
    scene.compute.stop(scene.place.name, &scene.info).await.unwrap();
    assert_eq!(scene.states(Part::Application).await, shown(&[("web", "exited")]));
    assert_eq!(scene.states(Part::Infrastructure).await, shown(&[("db", "exited")]));
    scene.compute.destroy(scene.place.name, &scene.info).await.unwrap();
    assert_eq!(scene.place.made(), Vec::<String>::new());
}

#[tokio::test]
async fn an_application_that_cannot_run_is_explained() {
    if !has_docker() {
        return;
    }
    let scene = Scene::new("pr-21", INFRASTRUCTURE).await;
    scene.write(COMPOSE_FILE, &generated(&[("web", "sh -c \"echo no module; exit 3\"")])).await;
    let error = scene.up(Part::Application, &["web"], "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    assert!(text.contains("service web: ") && text.contains("no module"), "{text}");

    let error = scene.up(Part::Application, &["ghost"], "1").await.unwrap_err();
    assert_eq!(error.to_string(), "the application has no service `ghost`; it has web");

    scene.up(Part::Infrastructure, &[], "1").await.unwrap();
    scene.write(COMPOSE_FILE, &generated(&[("db", "sleep 1000")])).await;
    let error = scene.up(Part::Application, &["db"], "1").await.unwrap_err();
    assert!(error.to_string().contains("rename one of them"), "{error}");
    assert_eq!(scene.states(Part::Infrastructure).await, shown(&[("db", "running")]));
    scene.compute.destroy(scene.place.name, &scene.info).await.unwrap();
    assert_eq!(scene.place.made(), Vec::<String>::new());
}

#[tokio::test]
async fn neither_the_file_nor_env_files_are_read_through_a_link_out() {
    if !has_docker() {
        return;
    }
    let scene = Scene::new("pr-22", INFRASTRUCTURE).await;
    let root = Path::new(scene.info.path.as_ref().unwrap());
    scene.write(COMPOSE_FILE, &generated(&[("web", "sleep 1000")])).await;
    let secret = scene.place.bench.path("secret");
    std::fs::write(&secret, "SECRET=hidden\n").unwrap();
    std::fs::create_dir(root.join("web")).unwrap();
    std::os::unix::fs::symlink(&secret, root.join("web/.env")).unwrap();
    let error = scene.up(Part::Application, &["web"], "1").await.unwrap_err();
    assert_eq!(error.chain(), "env file web/.env cannot be used: it leads out of the environment's folder");
    std::fs::remove_file(root.join("web/.env")).unwrap();
    std::fs::remove_file(root.join(COMPOSE_FILE)).unwrap();
    std::os::unix::fs::symlink(&secret, root.join(COMPOSE_FILE)).unwrap();
    let error = scene.up(Part::Application, &["web"], "1").await.unwrap_err();
    assert!(error.to_string().contains("outside the repository"), "{error}");
    assert_eq!(scene.place.made(), Vec::<String>::new());
}

#[tokio::test]
async fn a_start_that_is_cancelled_leaves_no_program_behind() {
    if !has_docker() {
        return;
    }
    let scene = Scene::new("pr-23", INFRASTRUCTURE).await;
    let file = generated(&[("web", "sleep 1000")]);
    let mut file: serde_json::Value = serde_json::from_str(&file).unwrap();
    file["services"]["web"]["healthcheck"] =
        serde_json::json!({"test": ["CMD", "false"], "interval": "1s", "retries": 1000});
    scene.write(COMPOSE_FILE, &file.to_string()).await;
    let services = ["web".to_owned()];
    let request = UpRequest {
        target: scene.target(Part::Application, &services),
        ports: &PortMap::new(),
        revisions: &BTreeMap::new(),
    };
    let cancel = CancellationToken::new();
    let stop = async {
        until("something was made", || !scene.place.made().is_empty()).await;
        cancel.cancel();
    };
    let (started, ()) = tokio::join!(scene.compute.up(&request, &cancel), stop);
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Cancelled);
    let marked = crate::support::bot::processes_with("PREVIEWBOT_TOOL_OF", &scene.place.bench.life.to_string());
    assert!(marked.is_empty(), "{marked:?}");
    scene.compute.destroy(scene.place.name, &scene.info).await.unwrap();
    assert_eq!(scene.place.made(), Vec::<String>::new());
}

/// Keeps lines, and has enough after some.
struct Kept {
    lines: Mutex<Vec<String>>,
    enough: usize,
}

impl Kept {
    fn up_to(enough: usize) -> Self {
        Self { lines: Mutex::default(), enough }
    }

    fn take(self) -> Vec<String> {
        self.lines.into_inner().unwrap()
    }
}

impl LineSink for Kept {
    fn line(&self, line: &str) -> bool {
        let mut lines = self.lines.lock().unwrap();
        lines.push(line.to_owned());
        lines.len() < self.enough
    }
}

#[tokio::test]
async fn logs_are_handed_over_line_by_line() {
    if !has_docker() {
        return;
    }
    let scene = Scene::new("pr-24", INFRASTRUCTURE).await;
    let cancel = CancellationToken::new();
    let (name, info) = (scene.place.name, &scene.info);
    let all = LogRequest::of(Part::Application);
    let error = scene.compute.logs(name, info, &all, &Kept::up_to(1), &cancel).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let talk = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.1; done";
    scene.write(COMPOSE_FILE, &generated(&[("web", talk), ("mute", "sleep 1000")])).await;
    scene.up(Part::Application, &["web", "mute"], "1").await.unwrap();

    let followed = Kept::up_to(5);
    let follow = LogRequest { follow: true, ..all.clone() };
    scene.compute.logs(name, info, &follow, &followed, &cancel).await.unwrap();
    let followed = followed.take();
    assert_eq!(followed.len(), 5, "following ends when the sink has enough");
    assert!(followed[0].contains("web") && followed[4].ends_with("line 4"), "{followed:?}");

    let head = Kept::up_to(100);
    let request = LogRequest { head: Some(2), timestamps: true, ..all.clone() };
    scene.compute.logs(name, info, &request, &head, &cancel).await.unwrap();
    let head = head.take();
    assert_eq!(head.len(), 2);
    assert!(head[1].ends_with("line 1") && head[1].contains('T') && head[1].contains('Z'), "{head:?}");

    let tail = Kept::up_to(100);
    let request = LogRequest { tail: Some(1), services: vec!["web".to_owned()], ..all.clone() };
    scene.compute.logs(name, info, &request, &tail, &cancel).await.unwrap();
    assert_eq!(tail.take().len(), 1);

    let until_then = Kept::up_to(100);
    let request = LogRequest { until: Some("2001-01-01T00:00:00Z".to_owned()), ..all.clone() };
    scene.compute.logs(name, info, &request, &until_then, &cancel).await.unwrap();
    assert_eq!(until_then.take(), Vec::<String>::new());

    let request = LogRequest { services: vec!["ghost".to_owned()], ..all };
    let error = scene.compute.logs(name, info, &request, &Kept::up_to(1), &cancel).await.unwrap_err();
    assert_eq!(error.to_string(), "the application has no service `ghost`; it has mute, web");
    scene.compute.destroy(name, info).await.unwrap();
}
