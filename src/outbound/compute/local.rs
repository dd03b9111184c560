//! Environments on this machine: a checkout and a compose project.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::compose::Compose;
use super::docker::Docker;
use super::patch::{self, Patch};
use super::source::CodeSource;
use super::sweep::sweep;
use crate::domain::compose::project_name;
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::port_map::PortMap;
use crate::domain::ports::{ComputeAccess, ComputePort, CreateRequest, HookRunner};
use crate::outbound::access::LocalAccess;
use crate::outbound::file_work::apart;
use crate::outbound::supervisor::{TOOL_MARKER, UserIds, end_marked_processes, end_orphaned_tools, life_folder};
use crate::outbound::tool::Tool;

/// How long a look into a person's own worktree may take.
const QUICK: Duration = Duration::from_secs(10);

/// Which environment, and how this machine is used for it.
#[derive(Debug, Clone)]
pub struct LocalComputeOptions {
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
    /// This bot's own id, for labels.
    pub installation: String,
    /// docker's own folder for this environment or project: `DOCKER_CONFIG`.
    pub docker_config: PathBuf,
    /// The account that hooks run as and that owns the checkout; `None`: the bot's own.
    pub run_as: Option<UserIds>,
}

/// One environment on this machine.
pub struct LocalCompute {
    pub(super) options: LocalComputeOptions,
    source: Arc<dyn CodeSource>,
    runner: Arc<dyn HookRunner>,
}

impl std::fmt::Debug for LocalCompute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalCompute").field("directory", &self.options.directory).finish_non_exhaustive()
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

impl LocalCompute {
    /// The compute of one environment with code from `source`; hooks in it run through `runner`.
    #[must_use]
    pub fn new(options: LocalComputeOptions, source: Arc<dyn CodeSource>, runner: Arc<dyn HookRunner>) -> Self {
        Self { options, source, runner }
    }

    pub(super) fn compose(&self, environment: &str) -> Compose {
        let mark = (TOOL_MARKER.to_owned(), self.options.life.to_string());
        Compose {
            name: project_name(&self.options.slug, environment),
            resolved: life_folder(&self.options.root, self.options.life).join("compose.json"),
            docker: Docker::new(&self.options.docker_config).with([mark]),
            stop_seconds: self.options.stop_seconds,
        }
    }

    pub(super) fn labels(&self, environment: &str) -> [(&'static str, String); 4] {
        [
            (patch::INSTALLATION_LABEL, self.options.installation.clone()),
            (patch::ENVIRONMENT_LABEL, self.options.life.to_string()),
            (patch::PROJECT_LABEL, self.options.slug.clone()),
            (patch::NAME_LABEL, environment.to_owned()),
        ]
    }

    pub(super) fn path(&self, info: &ComputeAccessInfo) -> PathBuf {
        info.path.as_ref().map_or_else(|| self.options.directory.clone(), PathBuf::from)
    }

    /// The cheap half of a destroy is tried even when docker does not answer.
    async fn remove_infrastructure(&self, environment: &str, left: &mut Leftovers) {
        let compose = self.compose(environment);
        if !compose.is_resolved() && self.options.compose_file.is_none() {
            return;
        }
        if compose.is_resolved()
            && let Err(error) = compose.down().await
        {
            tracing::warn!(environment, error = %error.chain(), "compose down failed; removing by label");
        }
        match sweep(&compose.docker, self.options.life).await {
            Ok(found) => left.0.extend(found),
            // Never started, and no docker to ask: nothing of ours can be there.
            Err(_) if !compose.is_resolved() => {}
            Err(error) => left.note(&format!("compose project {}", compose.name), Err(error)),
        }
    }
}

#[async_trait]
impl ComputePort for LocalCompute {
    async fn create(&self, request: &CreateRequest, cancel: &CancellationToken) -> PortResult<ComputeAccessInfo> {
        let directory = &self.options.directory;
        let info = ComputeAccessInfo {
            kind: "local".to_owned(),
            path: Some(directory.to_string_lossy().into_owned()),
            managed_worktree: true,
            ..ComputeAccessInfo::default()
        };
        self.source.make(directory, request, cancel).await?;
        Ok(info)
    }

    fn owns_checkout(&self) -> bool {
        self.source.follows_a_commit()
    }

    async fn sync_code(&self, info: &ComputeAccessInfo, cancel: &CancellationToken) -> PortResult<()> {
        self.source.sync(&self.path(info), cancel).await
    }

    async fn access(&self, info: &ComputeAccessInfo) -> PortResult<Arc<dyn ComputeAccess>> {
        Ok(Arc::new(LocalAccess::new(self.path(info), self.runner.clone(), self.options.run_as)))
    }

    async fn exists(&self, info: &ComputeAccessInfo) -> PortResult<bool> {
        Ok(self.path(info).is_dir())
    }

    async fn start(
        &self,
        environment: &str,
        info: &ComputeAccessInfo,
        ports: &PortMap,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let Some(file) = &self.options.compose_file else { return Ok(()) };
        end_orphaned_tools(self.options.life).await;
        let compose = self.compose(environment);
        let labels = self.labels(environment);
        let patch = Patch { name: &compose.name, ports, bind: &self.options.bind, labels: &labels };
        compose.resolve((&self.path(info), file), &patch, cancel).await?;
        compose.up(cancel).await
    }

    async fn stop(&self, environment: &str, _info: &ComputeAccessInfo) -> PortResult<()> {
        let mut left = Leftovers::default();
        end_orphaned_tools(self.options.life).await;
        let compose = self.compose(environment);
        if compose.is_resolved() {
            left.note(&format!("compose project {}", compose.name), compose.stop().await);
        }
        left.processes(end_marked_processes(self.options.life).await);
        left.into_result("stopping")
    }

    async fn destroy(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<()> {
        let mut left = Leftovers::default();
        end_orphaned_tools(self.options.life).await;
        // Processes first: they may write to the folders that are removed.
        left.processes(end_marked_processes(self.options.life).await);
        self.remove_infrastructure(environment, &mut left).await;
        if info.managed_worktree {
            let path = self.path(info);
            let removed = self.source.remove(&path).await;
            left.note("the checkout", removed.map_err(|error| error.chain()));
        }
        // What is known of the environment goes last and only when nothing is left: a second try needs it.
        if left.0.is_empty() {
            let folder = life_folder(&self.options.root, self.options.life);
            let what = format!("folder {}", folder.display());
            left.note(&what, apart(move || remove_folder(&folder)).await);
        }
        left.into_result("destroying")
    }

    async fn is_running(&self, environment: &str, _info: &ComputeAccessInfo) -> PortResult<bool> {
        let compose = self.compose(environment);
        match (&self.options.compose_file, compose.is_resolved()) {
            (None, _) => Ok(true),
            (Some(_), false) => Ok(false),
            (Some(_), true) => compose.is_running().await,
        }
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
        let output = tool.run(&CancellationToken::new()).await?;
        if output.succeeded() {
            return Ok(output.text().trim().to_owned());
        }
        let message = format!("{path} has no branch checked out: check one out or name it");
        Err(PortError::new(ErrorKind::Invalid, message))
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn unusable(folder: &Path, error: io::Error) -> PortError {
    PortError::with_source(ErrorKind::Unavailable, format!("cannot use {}", folder.display()), error)
}
