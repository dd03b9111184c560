//! Environments with a compose project, on a real docker. `scripts/setup.sh test` makes what is needed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use previewbot::domain::change::{ForgeKind, Repository, Sha};
use previewbot::domain::entry::ComputeAccessInfo;
use previewbot::domain::error::{ErrorKind, PortResult};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::{ComputePort, CreateRequest, Git, HookRunner};
use previewbot::outbound::compute::{ComputeOptions, MachineCompute, MirrorSource};
use previewbot::outbound::git::MirrorGit;
use previewbot::outbound::machine::LocalMachine;
use tokio_util::sync::CancellationToken;

use super::bench::{BOUNDLESS, Bench, commit, forge_repository, lives, until};

const COMPOSE: &str = r#"
services:
  db:
    image: previewbot-test/busybox:local
    container_name: the-only-db
    init: true
    command: sh -c 'test -e /data/page || echo "$$GREETING" >/data/page; exec busybox httpd -f -p 8080 -h /data'
    environment: { GREETING: "costs $$5 ${DB_HOST_PORT:-none}" }
    ports: ["${DB_HOST_PORT:-18080}:8080", "18081:8081"]
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "wget", "-q", "-O-", "http://127.0.0.1:8080/page"], interval: 1s, retries: 10 }
  job:
    image: previewbot-test/busybox:local
    command: "true"
volumes:
  data: { name: everybodys-data }
"#;

/// How docker lists and removes what it keeps.
const KINDS: [(&[&str], &[&str]); 3] = [
    (&["ps", "-aq"], &["rm", "-f", "-v"]),
    (&["network", "ls", "-q"], &["network", "rm"]),
    (&["volume", "ls", "-q"], &["volume", "rm"]),
];

pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    output.map(|output| String::from_utf8(output.stdout).unwrap().trim().to_owned()).unwrap_or_default()
}

pub(crate) fn has_docker() -> bool {
    let works =
        Command::new("docker").args(["compose", "version"]).output().is_ok_and(|output| output.status.success())
            && Command::new("docker").arg("info").output().is_ok_and(|output| output.status.success());
    if !works {
        println!("skipped: no docker with the Compose plugin (run scripts/setup.sh test)");
    }
    works
}

/// One environment of a repository.
pub(super) struct Place {
    pub(super) bench: Bench,
    pub(super) name: &'static str,
    repository: Repository,
    compose_file: Option<String>,
}

impl Place {
    pub(super) fn new(name: &'static str, file: &str) -> (Self, Sha) {
        let bench = Bench::new();
        let (repository, path) = forge_repository(&bench.path("forge"));
        let head = commit(&path, &[("compose.yaml", file), ("code", "1")]);
        (Self { bench, name, repository, compose_file: Some("compose.yaml".to_owned()) }, head)
    }

    /// Different for every test: docker is shared with whoever else runs these.
    fn slug(&self) -> String {
        format!("test-{}", &self.bench.life.to_string()[..8])
    }

    pub(super) async fn compute(&self, commit: &Sha) -> MachineCompute {
        let url = format!("file://{}", self.bench.path("forge").display());
        let git = MirrorGit::new(&self.bench.path("data"), BTreeMap::from([(ForgeKind::Github, url)]), BOUNDLESS);
        git.fetch(&self.repository, commit, self.bench.life, None, &tokio_util::sync::CancellationToken::new())
            .await
            .unwrap();
        let runner: Arc<dyn HookRunner> = Arc::new(self.bench.runner(1).await);
        let root = self.bench.path("previews");
        let options = ComputeOptions {
            life: self.bench.life,
            slug: self.slug(),
            directory: root.join(self.slug()).join(self.name),
            root,
            compose_file: self.compose_file.clone(),
            bind: "127.0.0.1".to_owned(),
            watch: std::time::Duration::from_millis(300),
            stop_seconds: 1,
            installation: "installation-test".to_owned(),
            docker_config: self.bench.path("docker"),
            reached: None,
            confinement: None,
        };
        let source = MirrorSource {
            git: Arc::new(git),
            repository: self.repository.clone(),
            commit: Some(commit.clone()),
            life: self.bench.life,
            run_as: None,
        };
        MachineCompute::new(options, Arc::new(LocalMachine::new(runner, None)), Arc::new(source))
    }

    pub(super) async fn create(&self, compute: &MachineCompute) -> ComputeAccessInfo {
        let request = CreateRequest { environment: self.name.to_owned(), branch: "x".to_owned(), base: None };
        compute.create(&request, &CancellationToken::new()).await.unwrap()
    }

    async fn start(&self, compute: &MachineCompute, info: &ComputeAccessInfo, port: u16) -> PortResult<()> {
        let ports = PortMap::from([("db".to_owned(), port)]);
        compute.start(self.name, info, &ports, &CancellationToken::new()).await
    }

    /// What bears the life's label.
    pub(super) fn listed(&self, list: &[&str]) -> Vec<String> {
        let label = format!("label=previewbot.environment={}", self.bench.life);
        docker(&[list, &["--filter", &label][..]].concat()).lines().map(str::to_owned).collect()
    }

    /// Everything that bears the life's label.
    pub(super) fn made(&self) -> Vec<String> {
        KINDS.iter().flat_map(|(list, _)| self.listed(list)).collect()
    }
}

impl Drop for Place {
    /// Also after a failed test nothing is left on the machine.
    fn drop(&mut self) {
        for (list, remove) in KINDS {
            for id in self.compose_file.iter().flat_map(|_| self.listed(list)) {
                docker(&[remove, &[id.as_str()][..]].concat());
            }
        }
    }
}

pub(crate) fn page(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"GET /page HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.trim().to_owned())
}

/// A port that nothing listens on and that nobody is given by chance: below those that the system hands out, and each one
/// asked for once only in this process.
pub(crate) fn unused_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    loop {
        let step = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(PORTS.start + step % count).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[tokio::test]
async fn two_previews_of_one_compose_file_live_beside_each_other_and_go_without_a_trace() {
    if !has_docker() {
        return;
    }
    let ((one, head), (two, other_head)) = (Place::new("pr-1", COMPOSE), Place::new("pr-2", COMPOSE));
    let (first, second) = (one.compute(&head).await, two.compute(&other_head).await);
    let (here, there) = (one.create(&first).await, two.create(&second).await);
    let (port, other_port) = (unused_port(), unused_port());
    assert!(!first.is_running("pr-1", &here).await.unwrap());
    one.start(&first, &here, port).await.unwrap();
    two.start(&second, &there, other_port).await.unwrap();
    assert_eq!(page(port).unwrap(), format!("costs $5 {port}"));
    assert_eq!(page(other_port).unwrap(), format!("costs $5 {other_port}"));
    assert!(first.is_running("pr-1", &here).await.unwrap());
    assert_eq!(one.made().len(), 4, "two containers, a network, a volume");

    // Pushed and deployed again: nothing that did not change is made anew, data stays.
    let before = one.made();
    let next = commit(&one.bench.path("forge/acme/shop.git"), &[("code", "2")]);
    let first = one.compute(&next).await;
    first.sync_code(&here, &CancellationToken::new()).await.unwrap();
    one.start(&first, &here, port).await.unwrap();
    assert_eq!(one.made(), before);
    assert_eq!(std::fs::read_to_string(Path::new(here.path.as_ref().unwrap()).join("code")).unwrap(), "2");

    first.stop("pr-1", &here).await.unwrap();
    assert!(page(port).is_none() && !first.is_running("pr-1", &here).await.unwrap());
    assert!(second.is_running("pr-2", &there).await.unwrap(), "the other one is not touched");
    one.start(&first, &here, port).await.unwrap();
    assert_eq!(page(port).unwrap(), format!("costs $5 {port}"), "data is kept");

    let daemon = "setsid sleep 1000 & echo $! >daemon";
    first.access(&here).await.unwrap();
    one.bench.runner(1).await.run(&one.bench.hook("deploy", daemon), &CancellationToken::new()).await.unwrap();
    let pid = one.bench.pid("daemon").await;
    for (place, compute, info) in [(&one, &first, &here), (&two, &second, &there)] {
        compute.destroy(place.name, info).await.unwrap();
        assert_eq!(place.made(), Vec::<String>::new());
        assert!(!Path::new(info.path.as_ref().unwrap()).exists() && !place.bench.life_folder().exists());
        compute.destroy(place.name, info).await.unwrap();
    }
    assert!(!lives(pid) && page(port).is_none() && page(other_port).is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_compose_file_is_told_in_composes_own_words() {
    if !has_docker() {
        return;
    }
    let cases = [("services:\n  db:\n   image: x\n  - y\n", "yaml"), ("services:\n  db:\n    imag: x\n", "imag")];
    for (file, words) in cases {
        let (place, head) = Place::new("pr-3", file);
        let compute = place.compute(&head).await;
        let info = place.create(&compute).await;
        let error = place.start(&compute, &info, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with("compose file compose.yaml: "), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        compute.destroy("pr-3", &info).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_does_not_stay_up_is_named_with_its_last_lines() {
    if !has_docker() {
        return;
    }
    let file =
        "services:\n  db:\n    image: previewbot-test/busybox:local\n    command: sh -c 'echo no disk; exit 3'\n";
    let (place, head) = Place::new("pr-4", file);
    let compute = place.compute(&head).await;
    let info = place.create(&compute).await;
    let error = place.start(&compute, &info, 1).await.unwrap_err();
    compute.destroy("pr-4", &info).await.unwrap();
    let text = error.to_string();
    assert!(text.contains("service db: ") && text.contains("no disk"), "{text}");
    assert_eq!(place.made(), Vec::<String>::new());
}

#[tokio::test]
async fn a_start_that_is_cancelled_lets_go_and_can_be_destroyed() {
    if !has_docker() {
        return;
    }
    let never = "services:\n  db:\n    image: previewbot-test/busybox:local\n    init: true\n    command: sleep 1000\n    healthcheck: { test: ['CMD', 'false'], interval: 1s, retries: 1000 }\n";
    let (place, head) = Place::new("pr-5", never);
    let compute = place.compute(&head).await;
    let info = place.create(&compute).await;
    let (ports, cancel) = (PortMap::new(), CancellationToken::new());
    let stop = async {
        until("something was made", || place.made().len() > 1).await;
        cancel.cancel();
    };
    let (started, ()) = tokio::join!(compute.start("pr-5", &info, &ports, &cancel), stop);
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Cancelled);
    compute.destroy("pr-5", &info).await.unwrap();
    assert_eq!(place.made(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_compose_file_docker_is_not_asked_and_a_file_outside_is_refused() {
    let (mut place, head) = Place::new("pr-6", COMPOSE);
    place.compose_file = None;
    let compute = place.compute(&head).await;
    let info = place.create(&compute).await;
    assert!(compute.exists(&info).await.unwrap() && info.managed_worktree);
    place.start(&compute, &info, 1).await.unwrap();
    assert!(compute.is_running("pr-6", &info).await.unwrap());
    assert!(!place.bench.path("docker").exists(), "docker was never run");
    compute.destroy("pr-6", &info).await.unwrap();
    assert!(!compute.exists(&info).await.unwrap());

    for outside in ["../../../forge/acme/shop.git/compose.yaml", "/etc/passwd", "missing.yaml"] {
        place.compose_file = Some(outside.to_owned());
        let compute = place.compute(&head).await;
        let info = place.create(&compute).await;
        assert_eq!(place.start(&compute, &info, 1).await.unwrap_err().kind(), ErrorKind::Invalid, "{outside}");
    }
}
