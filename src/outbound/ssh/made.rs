//! A machine that the project's own hook makes: it is known once `provisioner.compute.create` has printed its address,
//! and used like any other host from then on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::host::SshHost;
use super::machine::SshMachine;
use super::made_access::{MachineSettings, way_to};
use super::request::Request;
use super::runner::{SshRunner, SshRunnerOptions};
use super::source::HostSource;
use crate::domain::change::{Repository, Sha};
use crate::domain::compose::ComposeContainer;
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::port_map::PortMap;
use crate::domain::ports::{
    ComputeAccess, ComputePort, ContainerTarget, Containers, CreateRequest, HookCommand, HookOutcome, HookRunner,
    LineSink, LogRequest, StatePort, UpRequest,
};
use crate::domain::project::SshConfig;
use crate::domain::redact::Redactor;
use crate::outbound::compute::{ComputeOptions, MachineCompute};
use crate::outbound::git::MirrorGit;
use crate::outbound::networking::PublicHost;

const HOME: &str = "cd && pwd -P";

/// What a made machine is used for, and how it may be reached.
pub struct MadeOptions {
    /// The environment's name.
    pub environment: String,
    /// What is run there; paths and address are filled in once the machine is known.
    pub compute: ComputeOptions,
    /// The claim's epoch.
    pub epoch: i64,
    /// The commit whose runs may be adopted.
    pub adoptable: Option<String>,
    /// The repository that the code comes from.
    pub repository: Repository,
    /// The commit to deploy.
    pub commit: Option<Sha>,
    /// `provisioner.compute.ssh`.
    pub ssh: SshConfig,
    /// What the operator allows.
    pub settings: MachineSettings,
    /// Masks secrets in what hooks print.
    pub redactor: Redactor,
    /// Where `user_command` runs.
    pub project_root: PathBuf,
}

/// The environment's own machine.
pub struct MadeMachine {
    options: MadeOptions,
    git: Arc<MirrorGit>,
    state: Arc<dyn StatePort>,
    hooks: Arc<dyn HookRunner>,
    address: PublicHost,
    made: Mutex<Option<Made>>,
}

#[derive(Clone)]
struct Made {
    info: ComputeAccessInfo,
    runner: Arc<SshRunner>,
    compute: Arc<MachineCompute>,
}

impl MadeMachine {
    /// The machine that `hooks` make; its address is told through `address`.
    #[must_use]
    pub fn new(
        options: MadeOptions,
        git: Arc<MirrorGit>,
        state: Arc<dyn StatePort>,
        (hooks, address): (Arc<dyn HookRunner>, PublicHost),
    ) -> Self {
        Self { options, git, state, hooks, address, made: Mutex::default() }
    }

    /// Takes over what is on the machine, once for each job.
    async fn at(&self, info: &ComputeAccessInfo) -> PortResult<Arc<MachineCompute>> {
        let mut made = self.made.lock().await;
        if let Some(made) = made.as_ref().filter(|made| made.info == *info) {
            return Ok(made.compute.clone());
        }
        let new = self.reach(info).await?;
        let compute = new.compute.clone();
        *made = Some(new);
        Ok(compute)
    }

    async fn reach(&self, info: &ComputeAccessInfo) -> PortResult<Made> {
        let options = &self.options;
        let entry = self.state.get_environment(&options.environment).await?;
        let store = entry.map(|entry| entry.env).unwrap_or_default();
        let way = way_to(info, &options.ssh, &options.settings, &store)?;
        let user = way.user(&*self.hooks, &options.project_root).await?;
        let host = Arc::new(SshHost::new(way.options(user.clone())));
        self.address.tell(&way.address);
        // Outside of the compute root, which a hook may empty.
        let home = host.done("cannot find the account's home", &Request::plain(HOME)).await?;
        let root = PathBuf::from(home.text().trim());
        let runner = SshRunnerOptions {
            root: root.to_string_lossy().into_owned(),
            life: options.compute.life,
            epoch: options.epoch,
            commit: options.adoptable.clone(),
            // It is the environment's alone.
            chamber: None,
        };
        let runner = Arc::new(SshRunner::take_over(host, runner, options.redactor.clone()).await?);
        let source = HostSource {
            runner: runner.clone(),
            git: self.git.clone(),
            repository: options.repository.clone(),
            commit: options.commit.clone(),
            life: options.compute.life,
            bare: root.join(".previewbot").join(format!("{}.git", options.compute.slug)),
            may_be_clone: true,
            is_fresh: AtomicBool::new(false),
        };
        let compute = ComputeOptions {
            directory: PathBuf::from(&way.root),
            docker_config: PathBuf::from(runner.folder()).join("docker"),
            reached: Some((way.address.clone(), user)),
            root,
            ..options.compute.clone()
        };
        let machine = Arc::new(SshMachine::new(runner.clone()));
        let compute = Arc::new(MachineCompute::new(compute, machine, Arc::new(source)));
        let deploys = options.adoptable.is_some();
        if deploys && !compute.exists(info).await? {
            // The hook made the machine; the folder with the code is the bot's to make, before anything is written there.
            let request = CreateRequest { environment: options.environment.clone(), ..CreateRequest::default() };
            compute.create(&request, &CancellationToken::new()).await?;
        }
        Ok(Made { info: info.clone(), runner, compute })
    }
}

/// Hooks of the environment on its machine: what an earlier epoch began there is settled with the rest.
#[async_trait]
impl HookRunner for MadeMachine {
    async fn run(&self, command: &HookCommand, _cancel: &CancellationToken) -> PortResult<HookOutcome> {
        let message = format!("step {} has no machine to run on", command.step);
        Err(PortError::new(ErrorKind::Invalid, message))
    }

    async fn settle(&self) -> PortResult<()> {
        match self.made.lock().await.as_ref() {
            Some(made) => made.runner.settle().await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl ComputePort for MadeMachine {
    async fn create(
        &self,
        _request: &CreateRequest,
        _cancel: &CancellationToken,
    ) -> PortResult<ComputeAccessInfo> {
        Err(PortError::new(ErrorKind::Invalid, "the machine is made by provisioner.compute.create"))
    }

    fn owns_checkout(&self) -> bool {
        true
    }

    async fn sync_code(&self, info: &ComputeAccessInfo, cancel: &CancellationToken) -> PortResult<()> {
        self.at(info).await?.sync_code(info, cancel).await
    }

    async fn access(&self, info: &ComputeAccessInfo) -> PortResult<Arc<dyn ComputeAccess>> {
        self.at(info).await?.access(info).await
    }

    /// The machine answers; its folder may still be made.
    async fn exists(&self, info: &ComputeAccessInfo) -> PortResult<bool> {
        self.at(info).await.map(|_| true)
    }

    async fn start(
        &self,
        environment: &str,
        info: &ComputeAccessInfo,
        ports: &PortMap,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        self.at(info).await?.start(environment, info, ports, cancel).await
    }

    async fn stop(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<()> {
        self.at(info).await?.stop(environment, info).await
    }

    async fn destroy(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<()> {
        self.at(info).await?.destroy(environment, info).await
    }

    async fn is_running(&self, environment: &str, info: &ComputeAccessInfo) -> PortResult<bool> {
        self.at(info).await?.is_running(environment, info).await
    }

    async fn detect_branch(&self, path: &str) -> PortResult<String> {
        Err(PortError::new(ErrorKind::Invalid, format!("{path} is on another machine: name the branch")))
    }
}

#[async_trait]
impl Containers for MadeMachine {
    async fn up(&self, request: &UpRequest<'_>, cancel: &CancellationToken) -> PortResult<()> {
        self.at(request.target.info).await?.up(request, cancel).await
    }

    async fn halt(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()> {
        self.at(target.info).await?.halt(target, cancel).await
    }

    async fn restart(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()> {
        self.at(target.info).await?.restart(target, cancel).await
    }

    async fn containers(&self, target: &ContainerTarget<'_>) -> PortResult<Vec<ComposeContainer>> {
        self.at(target.info).await?.containers(target).await
    }

    async fn logs(
        &self,
        environment: &str,
        info: &ComputeAccessInfo,
        request: &LogRequest,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        self.at(info).await?.logs(environment, info, request, sink, cancel).await
    }
}
