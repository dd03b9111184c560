//! A preview whose checkout is a plain folder, and a daemon that only notes what it is asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use previewbot::domain::compose::Confinement;
use previewbot::domain::entry::ComputeAccessInfo;
use previewbot::domain::environment::LifeId;
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::{ComputeAccess, ComputePort, CreateRequest, HookRunner, LineSink};
use previewbot::outbound::compute::{CodeSource, ComputeOptions, MachineCompute};
use previewbot::outbound::machine::{LocalMachine, Machine, Whereabouts};
use previewbot::outbound::tool::{Output, Tool};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::local::bench::Bench;
use crate::local::compose::docker;

/// What bears a label, and how it goes.
const KINDS: [(&[&str], &[&str]); 4] = [
    (&["ps", "-aq"], &["rm", "-f", "-v"]),
    (&["network", "ls", "-q"], &["network", "rm"]),
    (&["volume", "ls", "-q"], &["volume", "rm"]),
    (&["image", "ls", "-q"], &["image", "rm", "-f"]),
];

/// A folder instead of a checkout.
struct Folder;

#[async_trait]
impl CodeSource for Folder {
    fn follows_a_commit(&self) -> bool {
        false
    }

    async fn sync(&self, directory: &Path, _cancel: &CancellationToken) -> PortResult<()> {
        std::fs::create_dir_all(directory).map_err(unusable)
    }

    async fn remove(&self, directory: &Path) -> PortResult<()> {
        std::fs::remove_dir_all(directory).map_err(unusable)
    }
}

fn unusable(error: std::io::Error) -> PortError {
    PortError::with_source(ErrorKind::Unavailable, "the folder", error)
}

/// One preview.
pub(super) struct Preview {
    pub(super) bench: Bench,
    pub(super) name: &'static str,
    pub(super) compute: MachineCompute,
    pub(super) info: ComputeAccessInfo,
}

impl Preview {
    /// On this machine's docker.
    pub(super) async fn new(name: &'static str, confinement: Option<Confinement>) -> Self {
        Self::on(name, confinement, None).await
    }

    /// On the docker that listens at a socket.
    pub(super) async fn on(name: &'static str, confinement: Option<Confinement>, socket: Option<PathBuf>) -> Self {
        let bench = Bench::new();
        let runner: Arc<dyn HookRunner> = Arc::new(bench.runner(1).await);
        let slug = format!("test-{}", &bench.life.to_string()[..8]);
        let root = bench.path("previews");
        let options = ComputeOptions {
            life: bench.life,
            directory: root.join(&slug).join(name),
            slug,
            root,
            compose_file: Some("compose.yaml".to_owned()),
            bind: "127.0.0.1".to_owned(),
            watch: std::time::Duration::from_millis(300),
            stop_seconds: 1,
            installation: "installation-test".to_owned(),
            docker_config: bench.path("docker"),
            reached: None,
            confinement,
        };
        let local = LocalMachine::new(runner, None);
        let machine: Arc<dyn Machine> = match socket {
            Some(socket) => Arc::new(Elsewhere { local, socket }),
            None => Arc::new(local),
        };
        let compute = MachineCompute::new(options, machine, Arc::new(Folder));
        let request = CreateRequest { environment: name.to_owned(), branch: "x".to_owned(), base: None };
        let info = compute.create(&request, &CancellationToken::new()).await.unwrap();
        Self { bench, name, compute, info }
    }

    pub(super) fn checkout(&self) -> PathBuf {
        PathBuf::from(self.info.path.as_ref().unwrap())
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.checkout().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Starts what this compose file says, with `web` on a port.
    pub(super) async fn start(&self, file: &str, port: u16) -> PortResult<()> {
        self.write("compose.yaml", file);
        let ports = PortMap::from([("web".to_owned(), port)]);
        self.compute.start(self.name, &self.info, &ports, &CancellationToken::new()).await
    }

    /// What is run, where something was ever going to be.
    pub(super) fn resolved(&self) -> Option<serde_json::Value> {
        let text = std::fs::read(self.bench.life_folder().join("compose.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// What bears the life's label.
    pub(super) fn made(&self) -> Vec<String> {
        KINDS.iter().flat_map(|(list, _)| self.listed(list)).collect()
    }

    pub(super) fn listed(&self, list: &[&str]) -> Vec<String> {
        let label = format!("label=previewbot.environment={}", self.bench.life);
        docker(&[list, &["--filter", &label][..]].concat()).lines().map(str::to_owned).collect()
    }

    /// What docker says of a service's container.
    pub(super) fn inspect(&self, service: &str, format: &str) -> String {
        let service = format!("label=com.docker.compose.service={service}");
        let ids = self.listed(&["ps", "-aq", "--filter", &service]);
        docker(&["inspect", "-f", format, ids.first().expect("no container")])
    }
}

impl Drop for Preview {
    /// Also after a failed test nothing is left on the machine.
    fn drop(&mut self) {
        for (list, remove) in KINDS {
            for id in self.listed(list) {
                docker(&[remove, &[id.as_str()][..]].concat());
            }
        }
    }
}

/// This machine with docker's daemon elsewhere.
struct Elsewhere {
    local: LocalMachine,
    socket: PathBuf,
}

#[async_trait]
impl Machine for Elsewhere {
    fn kind(&self) -> &'static str {
        self.local.kind()
    }

    async fn run(&self, tool: Tool, cancel: &CancellationToken) -> PortResult<Output> {
        self.local.run(tool, cancel).await
    }

    async fn stream(
        &self,
        tool: Tool,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<Option<String>> {
        self.local.stream(tool, sink, cancel).await
    }

    async fn is_folder(&self, path: &Path) -> PortResult<bool> {
        self.local.is_folder(path).await
    }

    async fn find(&self, root: &Path, paths: &[&str]) -> PortResult<Vec<Whereabouts>> {
        self.local.find(root, paths).await
    }

    async fn read(&self, paths: &[&Path]) -> PortResult<Vec<Option<Vec<u8>>>> {
        self.local.read(paths).await
    }

    async fn write(&self, path: &Path, data: &[u8]) -> PortResult<()> {
        self.local.write(path, data).await
    }

    async fn remove(&self, path: &Path) -> PortResult<()> {
        self.local.remove(path).await
    }

    async fn end_tools(&self, life: LifeId) -> PortResult<()> {
        self.local.end_tools(life).await
    }

    async fn end_marked(&self, life: LifeId) -> PortResult<Vec<i32>> {
        self.local.end_marked(life).await
    }

    fn docker_variables(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("DOCKER_HOST".to_owned(), format!("unix://{}", self.socket.display()))])
    }

    fn access(&self, root: &Path) -> Arc<dyn ComputeAccess> {
        self.local.access(root)
    }
}

/// A daemon that answers nothing and keeps what it was asked, save whether it is there and what it is.
pub(super) struct Daemon {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
                let is_greeting =
                    line.contains("/_ping") || line.starts_with("GET /v1.") && line.contains("/info ");
                if !line.is_empty() && !is_greeting {
                    kept.lock().unwrap().push(line);
                }
            }
        });
        Self { folder, asked }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// What it was asked since the last time.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}
