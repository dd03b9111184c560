//! Environments on a machine: a checkout and a compose project.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::compose::{Compose, ComposePlace};
use super::docker::Docker;
use super::known::Known;
use super::patch::{self, Patch};
use super::source::CodeSource;
use super::sweep::{halt, sweep};
use crate::domain::compose::{Confinement, project_name};
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::port_map::PortMap;
use crate::domain::ports::{ComputeAccess, ComputePort, CreateRequest};
use crate::outbound::machine::Machine;
use crate::outbound::supervisor::{TOOL_MARKER, life_folder};
use crate::outbound::tool::Tool;

/// How long a look into a person's own worktree may take.
const QUICK: Duration = Duration::from_secs(10);

/// Which environment, and how the machine is used for it.
#[derive(Debug, Clone)]
pub struct ComputeOptions {
    /// The environment's life.
    pub life: LifeId,
    /// The project's slug.
    pub slug: String,
    /// Folder above all environments; `.previewbot` is in it.
    pub root: PathBuf,
    /// The checkout, `<root>/<slug>/<environment>`.
    pub directory: PathBuf,
    /// `infrastructure.compose_file`, from the checkout.
    pub compose_file: Option<String>,
    /// Address that published ports listen on.
    pub bind: String,
    /// How long a container may take to stop by itself, in seconds.
    pub stop_seconds: u64,
    /// How long services without a health check are watched after their start: one that ends meanwhile has failed.
    pub watch: Duration,
    /// This bot's own id, for labels.
    pub installation: String,
    /// docker's own folder for this environment or project: `DOCKER_CONFIG`.
    pub docker_config: PathBuf,
    /// What the entry says of how the machine is reached: address and account.
    pub reached: Option<(String, String)>,
    /// What its compose files may ask for; `None`: whatever they like.
    pub confinement: Option<Confinement>,
}

/// One environment on a machine.
pub struct MachineCompute {
    pub(super) options: ComputeOptions,
    pub(super) machine: Arc<dyn Machine>,
    source: Arc<dyn CodeSource>,
    known: Arc<Known>,
}

impl std::fmt::Debug for MachineCompute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineCompute").field("directory", &self.options.directory).finish_non_exhaustive()
    }
}

/// Collects what went wrong while the rest goes on.
#[derive(Default)]
struct Leftovers(Vec<String>);

impl Leftovers {
    fn note(&mut self, what: &str, result: Result<(), impl std::fmt::Display>) {
        if let Err(error) = result {
            self.0.push(format!("{what} ({error})"));
        }
    }

    fn processes(&mut self, left: Vec<i32>) {
        self.0.extend(left.into_iter().map(|pid| format!("process {pid}")));
    }

    fn into_result(self, doing: &str) -> PortResult<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(PortError::new(ErrorKind::Unavailable, format!("{doing} left: {}", self.0.join("; "))))
    }
}

impl MachineCompute {
    /// The compute of one environment with code from `source`.
    #[must_use]
    pub fn new(options: ComputeOptions, machine: Arc<dyn Machine>, source: Arc<dyn CodeSource>) -> Self {
        Self { options, machine, source, known: Arc::default() }
    }

    fn docker(&self) -> Docker {
        let mark = (TOOL_MARKER.to_owned(), self.options.life.to_string());
        Docker::new(self.machine.clone(), &self.options.docker_config).with([mark])
    }

    pub(super) async fn compose(&self, environment: &str) -> PortResult<Compose> {
        let place = ComposePlace {
            name: project_name(&self.options.slug, environment),
            resolved: life_folder(&self.options.root, self.options.life).join("compose.json"),
            machine: self.machine.clone(),
            docker: self.docker(),
            stop_seconds: self.options.stop_seconds,
            watch: self.options.watch,
            is_confined: self.options.confinement.is_some(),
        };
        Compose::open(place, self.known.clone()).await
    }

    /// Works with files of the checkout while nothing that hooks of untrusted code left running, and no service of it, can
    /// exchange them.
    pub(super) async fn undisturbed<T>(&self, work: impl Future<Output = PortResult<T>> + Send) -> PortResult<T> {
        self.machine.hold_still(true).await?;
        let done = work.await;
        let going_on = self.machine.hold_still(false).await;
        done.and_then(|done| going_on.map(|()| done))
    }

    pub(super) fn labels(&self, environment: &str) -> [(&'static str, String); 4] {
        [
            (patch::INSTALLATION_LABEL, self.options.installation.clone()),
            (patch::ENVIRONMENT_LABEL, self.options.life.to_string()),
            (patch::PROJECT_LABEL, self.options.slug.clone()),
            (patch::NAME_LABEL, environment.to_owned()),
        ]
    }

    pub(super) fn patch<'a>(
        &'a self,
        name: &'a str,
        ports: &'a PortMap,
        labels: &'a [(&'static str, String)],
    ) -> Patch<'a> {
        let (bind, confinement) = (&self.options.bind, self.options.confinement.as_ref());
        Patch { name, ports, bind, labels, life: self.options.life, confinement, lodging: None }
    }

    pub(super) fn path(&self, info: &ComputeAccessInfo) -> PathBuf {
        info.path.as_ref().map_or_else(|| self.options.directory.clone(), PathBuf::from)
    }

    /// The cheap half of a destroy is tried even when docker does not answer.
    async fn remove_infrastructure(&self, environment: &str, left: &mut Leftovers) {
        let compose = self.compose(environment).await;
        let was_started = compose.as_ref().map_or(true, Compose::is_resolved);
        if !was_started && self.options.compose_file.is_none() {
            return;
        }
        let down = match &compose {
            Ok(compose) if was_started => compose.down().await,
            Ok(_) => Ok(()),
            Err(error) => Err(PortError::new(error.kind(), error.chain())),
        };
        if let Err(error) = down {
            tracing::warn!(environment, error = %error.chain(), "compose down failed; removing by label");
        }
        match sweep(&self.docker(), self.options.life).await {
            Ok(found) => left.0.extend(found),
            // Never started, and no docker to ask: nothing of ours can be there.
            Err(_) if !was_started => {}
            Err(error) => left.note(&format!("the compose project of {environment}"), Err(error)),
        }
    }

    /// Ends programs and hooks of the environment, whoever began them.
    async fn end_processes(&self, left: &mut Leftovers) {
        left.note("programs of ours", self.machine.end_tools(self.options.life).await.map_err(|e| e.chain()));
        match self.machine.end_marked(self.options.life).await {
            Ok(found) => left.processes(found),
            Err(error) => left.note("processes", Err(error.chain())),
        }
    }
}

#[async_trait]
impl ComputePort for MachineCompute {
    async fn create(&self, request: &CreateRequest, cancel: &CancellationToken) -> PortResult<ComputeAccessInfo> {
        let directory = &self.options.directory;
        let (host, user) = self.options.reached.clone().unzip();
        let info = ComputeAccessInfo {
            kind: self.machine.kind().to_owned(),
            host,
            user,
            path: Some(directory.to_string_lossy().into_owned()),
            managed_worktree: true,
            ..ComputeAccessInfo::default()
        };
        self.undisturbed(self.source.make(directory, request, cancel)).await?;
        Ok(info)
    }

    fn owns_checkout(&self) -> bool {
        self.source.follows_a_commit()
    }

    async fn sync_code(&self, info: &ComputeAccessInfo, cancel: &CancellationToken) -> PortResult<()> {
        self.undisturbed(self.source.sync(&self.path(info), cancel)).await
    }

    async fn access(&self, info: &ComputeAccessInfo) -> PortResult<Arc<dyn ComputeAccess>> {
        Ok(self.machine.access(&self.path(info)))
    }

    async fn exists(&self, info: &ComputeAccessInfo) -> PortResult<bool> {
        self.machine.is_folder(&self.path(info)).await
    }

    async fn start(
        &self,
        environment: &str,
        info: &ComputeAccessInfo,
        ports: &PortMap,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let Some(file) = &self.options.compose_file else { return Ok(()) };
        self.machine.end_tools(self.options.life).await?;
        let mut compose = self.compose(environment).await?;
        let (labels, name) = (self.labels(environment), compose.place.name.clone());
        let patch = self.patch(&name, ports, &labels);
        let root = self.path(info);
        let start = async {
            compose.resolve((&root, file), &patch, cancel).await?;
            compose.up(cancel).await
        };
        self.undisturbed(start).await
    }

    async fn stop(&self, environment: &str, _info: &ComputeAccessInfo) -> PortResult<()> {
        let mut left = Leftovers::default();
        self.machine.end_tools(self.options.life).await?;
        let compose = self.compose(environment).await?;
        if compose.is_resolved()
            && let Err(error) = compose.stop().await
        {
            // Compose cannot begin where the disk is full, and then nothing matters more than to stop what fills it.
            tracing::warn!(environment, error = %error.chain(), "compose stop failed; stopping by label");
            let what = format!("compose project {}", compose.place.name);
            left.note(&what, halt(&self.docker(), self.options.life, self.options.stop_seconds).await);
        }
        self.end_processes(&mut left).await;
        left.into_result("stopping")
    }

    async fn destroy(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<()> {
        let mut left = Leftovers::default();
        // Processes first: they may write to the folders that are removed.
        self.end_processes(&mut left).await;
        self.remove_infrastructure(environment, &mut left).await;
        if info.managed_worktree {
            let path = self.path(info);
            let removed = self.source.remove(&path).await;
            left.note("the checkout", removed.map_err(|error| error.chain()));
        }
        // What is known of the environment goes last and only when nothing is left: a second try needs it.
        if left.0.is_empty() {
            let folder = life_folder(&self.options.root, self.options.life);
            self.known.set(None);
            let what = format!("folder {}", folder.display());
            left.note(&what, self.machine.remove(&folder).await.map_err(|error| error.chain()));
        }
        left.into_result("destroying")
    }

    async fn is_running(&self, environment: &str, _info: &ComputeAccessInfo) -> PortResult<bool> {
        if self.options.compose_file.is_none() {
            return Ok(true);
        }
        self.compose(environment).await?.is_running().await
    }

    async fn detect_branch(&self, path: &str) -> PortResult<String> {
        let arguments = ["-c", "core.fsmonitor=false", "symbolic-ref", "--quiet", "--short", "HEAD"];
        let tool = Tool {
            program: "git",
            arguments: arguments.map(str::to_owned).to_vec(),
            directory: Some(PathBuf::from(path)),
            timeout: QUICK,
            ..Tool::default()
        };
        let output = self.machine.run(tool, &CancellationToken::new()).await?;
        if output.succeeded() {
            return Ok(output.text().trim().to_owned());
        }
        let message = format!("{path} has no branch checked out: check one out or name it");
        Err(PortError::new(ErrorKind::Invalid, message))
    }
}

pub(super) fn unusable(folder: &Path, error: io::Error) -> PortError {
    PortError::with_source(ErrorKind::Unavailable, format!("cannot use {}", folder.display()), error)
}
