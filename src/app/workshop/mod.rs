//! Adapters for one job of one environment, on the bot's own machine or on a host of the pool.

mod pool;
mod runners;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use super::folders::Folders;
use crate::domain::change::{Repository, Sha};
use crate::domain::environment::{Desired, Environment};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::host::VmSpec;
use crate::domain::job::Work;
use crate::domain::policy::Placement;
use crate::domain::ports::{ClaimedJob, Environments as _, HookRunner, PortLeases, StatePort};
use crate::domain::project::validate::ProjectFiles;
use crate::domain::project::{ComputeHooks, ProjectConfig};
use crate::domain::redact::Redactor;
use crate::outbound::compute::{ComputeOptions, MachineCompute, MirrorSource};
use crate::outbound::git::MirrorGit;
use crate::outbound::machine::LocalMachine;
use crate::outbound::networking::{AllFree, LeasedNetworking, NetworkingOptions, PublicHost};
use crate::outbound::probe::HttpProbe;
use crate::outbound::progress::JournalReporter;
use crate::outbound::reservations::Reservations;
use crate::outbound::ssh::{
    Address, HostSource, MachineSettings, MadeMachine, MadeOptions, SshMachine, SshRunner, SshRunnerOptions,
};
use crate::outbound::store::{SqliteLeases, SqliteState, Store};
use crate::outbound::supervisor::{LocalHookRunner, RunnerOptions, UserIds, boot_id, own_tree};
use crate::settings::{Mode, Placed, Settings};
use crate::worker::converge::LOCAL_HOST;
use crate::worker::workshop::{Bench, Place, Workshop};
pub(crate) use pool::{Pool, PoolHost};
use runners::Runners;

/// The workshop of all machines that the settings name.
pub(super) struct Workshops {
    settings: Arc<Settings>,
    folders: Folders,
    store: Store,
    git: Arc<MirrorGit>,
    pool: Arc<Pool>,
    probe: Arc<HttpProbe>,
    reservations: Arc<Reservations>,
    run_as: Option<UserIds>,
    machine: String,
}

impl Workshops {
    pub(super) fn new(
        settings: Arc<Settings>,
        store: Store,
        (git, pool): (Arc<MirrorGit>, Arc<Pool>),
        run_as: Option<UserIds>,
    ) -> anyhow::Result<Self> {
        let folders = Folders::new(&settings.data_dir);
        folders.make()?;
        Ok(Self {
            folders,
            settings,
            store,
            git,
            pool,
            probe: Arc::new(HttpProbe::new()?),
            reservations: Arc::default(),
            run_as,
            machine: machine_name(),
        })
    }

    async fn runner(
        &self,
        claimed: &ClaimedJob,
        environment: &Environment,
        commit: Option<&Sha>,
    ) -> PortResult<LocalHookRunner> {
        let options = RunnerOptions {
            root: self.folders.previews(),
            life: environment.life,
            epoch: claimed.claim.epoch,
            run_as: self.run_as,
            commit: adoptable(claimed, environment, commit),
        };
        let secrets = self.secrets(&environment.project.repository)?;
        let redactor = Redactor::of_secrets(&secrets);
        Ok(LocalHookRunner::take_over(options).await?.hiding(redactor))
    }

    async fn host_runner(
        &self,
        host: &PoolHost,
        claimed: &ClaimedJob,
        environment: &Environment,
        commit: Option<&Sha>,
    ) -> PortResult<SshRunner> {
        let options = SshRunnerOptions {
            root: host.root().to_string_lossy().into_owned(),
            life: environment.life,
            epoch: claimed.claim.epoch,
            commit: adoptable(claimed, environment, commit),
        };
        let secrets = self.secrets(&environment.project.repository)?;
        SshRunner::take_over(host.ssh.clone(), options, Redactor::of_secrets(&secrets)).await
    }

    /// The host that an environment is placed on; `None`: the bot's own machine.
    fn host_of(&self, environment: &Environment) -> PortResult<Option<&PoolHost>> {
        match environment.host.as_deref() {
            None | Some(LOCAL_HOST) => Ok(None),
            Some(name) => self.pool.get(name).map(Some),
        }
    }

    fn state(&self, task: &Task<'_>) -> Arc<dyn StatePort> {
        let claim = Some(task.claimed.claim.clone());
        Arc::new(SqliteState::new(self.store.clone(), task.environment.id, claim))
    }

    /// Adapters for an environment whose machine the project's own hooks make.
    fn made_bench(&self, task: &Task<'_>, hooks: &ComputeHooks, here: Arc<dyn HookRunner>) -> PortResult<Bench> {
        let (claimed, environment) = (task.claimed, task.environment);
        let repository = &environment.project.repository;
        let stored = environment.entry.as_ref().and_then(|entry| entry.compute.as_ref());
        let address = Address::known(stored.and_then(|compute| compute.host.as_deref()));
        let machines = &self.settings.machines;
        let options = MadeOptions {
            environment: environment.name.to_string(),
            compute: ComputeOptions { bind: "0.0.0.0".to_owned(), ..self.common(task) },
            epoch: claimed.claim.epoch,
            adoptable: adoptable(claimed, environment, task.commit),
            repository: repository.clone(),
            commit: task.commit.cloned(),
            ssh: hooks.ssh.clone().unwrap_or_default(),
            settings: MachineSettings {
                identity_file: machines.identity_file.clone(),
                known_hosts_file: machines.known_hosts_file.clone(),
                from_projects: machines.from_projects,
            },
            redactor: Redactor::of_secrets(&self.secrets(repository)?),
            project_root: self.folders.control(environment),
        };
        let state = self.state(task);
        let reached = (here.clone(), address.clone());
        let made = Arc::new(MadeMachine::new(options, self.git.clone(), state.clone(), reached));
        let leases: Arc<dyn PortLeases> = Arc::new(SqliteLeases::new(self.store.clone(), claimed.claim.clone()));
        let networking = NetworkingOptions {
            // Nobody else uses it.
            host: format!("machine of {}", environment.life),
            environment: environment.id,
            slug: environment.project.slug.to_string(),
            public_host: PublicHost::later(move || address.get()),
            template: self.settings.urls.template.clone(),
        };
        Ok(Bench {
            compute: made.clone(),
            networking: Arc::new(LeasedNetworking::on(Arc::new(AllFree), leases, networking)),
            state,
            hooks: Arc::new(Runners { here, there: made }),
            probe: self.probe.clone(),
            progress: Arc::new(JournalReporter::new(Arc::new(self.store.clone()), claimed.job.id)),
            machine: self.machine.clone(),
            // A new machine is made for a new boot: what ran on it is asked for, not assumed.
            boot: None,
        })
    }

    fn networking(&self, task: &Task<'_>, host: Option<&PoolHost>) -> LeasedNetworking {
        let leases: Arc<dyn PortLeases> =
            Arc::new(SqliteLeases::new(self.store.clone(), task.claimed.claim.clone()));
        let public_host =
            host.map_or(self.settings.local.public_host.as_str(), |host| host.settings.public_host());
        let options = NetworkingOptions {
            host: host.map_or(LOCAL_HOST, |host| &host.settings.name).to_owned(),
            environment: task.environment.id,
            slug: task.environment.project.slug.to_string(),
            public_host: public_host.into(),
            template: self.settings.urls.template.clone(),
        };
        match host {
            None => LeasedNetworking::new(leases, self.reservations.clone(), options),
            Some(host) => LeasedNetworking::on(host.ssh.clone(), leases, options),
        }
    }

    /// Where the environment lives on the bot's own machine.
    fn local_compute(&self, task: &Task<'_>, hooks: Arc<dyn HookRunner>) -> MachineCompute {
        let environment = task.environment;
        let options = ComputeOptions {
            root: self.folders.previews(),
            directory: self.folders.compute_root(environment),
            bind: self.settings.local.bind.to_string(),
            docker_config: self.folders.life(environment.life).join("docker"),
            reached: None,
            ..self.common(task)
        };
        let source = MirrorSource {
            git: self.git.clone(),
            repository: environment.project.repository.clone(),
            commit: task.commit.cloned(),
            life: environment.life,
            run_as: self.run_as,
        };
        MachineCompute::new(options, Arc::new(LocalMachine::new(hooks, self.run_as)), Arc::new(source))
    }

    /// Where it lives on a host.
    fn host_compute(&self, task: &Task<'_>, host: &PoolHost, runner: Arc<SshRunner>) -> MachineCompute {
        let environment = task.environment;
        let root = host.root();
        let project = root.join(environment.project.slug.as_str());
        let options = ComputeOptions {
            directory: project.join(environment.name.as_str()),
            bind: host.settings.bind().to_string(),
            docker_config: root.join(".previewbot").join(environment.life.to_string()).join("docker"),
            reached: Some((host.settings.address.clone(), host.settings.user.clone())),
            root,
            ..self.common(task)
        };
        let source = HostSource {
            runner: runner.clone(),
            git: self.git.clone(),
            repository: environment.project.repository.clone(),
            commit: task.commit.cloned(),
            life: environment.life,
            bare: project.join("repo.git"),
        };
        MachineCompute::new(options, Arc::new(SshMachine::new(runner)), Arc::new(source))
    }

    /// What does not depend on the machine; paths are still to be filled in.
    fn common(&self, task: &Task<'_>) -> ComputeOptions {
        let infrastructure = task.config.infrastructure.as_ref();
        ComputeOptions {
            life: task.environment.life,
            slug: task.environment.project.slug.to_string(),
            root: PathBuf::new(),
            directory: PathBuf::new(),
            compose_file: infrastructure.map(|infrastructure| infrastructure.compose_file.clone()),
            bind: String::new(),
            watch: WATCH,
            stop_seconds: self.settings.limits.stop_seconds,
            installation: self.store.installation_id().to_string(),
            docker_config: PathBuf::new(),
            reached: None,
        }
    }
}

/// Long enough for a service that ends because of what it finds, on a busy machine too.
const WATCH: Duration = Duration::from_millis(400);

/// One job at work, and with what.
struct Task<'a> {
    claimed: &'a ClaimedJob,
    environment: &'a Environment,
    config: &'a ProjectConfig,
    commit: Option<&'a Sha>,
}

/// The commit whose runs may be adopted: only a deployment asks again for what one before it had begun.
fn adoptable(claimed: &ClaimedJob, environment: &Environment, commit: Option<&Sha>) -> Option<String> {
    let resets = matches!(claimed.job.work, Work::Reset { .. });
    let deploys = matches!(environment.desired, Desired::Running { .. }) && !resets;
    commit.filter(|_| deploys).map(ToString::to_string)
}

#[async_trait]
impl Workshop for Workshops {
    fn placement(&self, repository: &Repository) -> Placement {
        match self.settings.placement(repository) {
            Placed::In(Mode::Local) => Placement::Local,
            Placed::In(_) => Placement::Hosts,
            Placed::Nowhere(why) => Placement::Nowhere(why),
        }
    }

    fn mode(&self, repository: &Repository) -> &'static str {
        match self.settings.placement(repository) {
            Placed::In(mode) => mode.as_str(),
            Placed::Nowhere(_) => Mode::Local.as_str(),
        }
    }

    fn secrets(&self, repository: &Repository) -> PortResult<BTreeMap<String, SecretString>> {
        let Some(project) = self.settings.project(repository) else { return Ok(BTreeMap::new()) };
        let missing =
            |error| PortError::with_source(ErrorKind::Invalid, "a secret of the project is missing", error);
        project.read_secrets().map_err(missing)
    }

    fn control_checkout(&self, environment: &Environment) -> PathBuf {
        self.folders.control(environment)
    }

    async fn hand_over(&self, checkout: &Path) -> PortResult<()> {
        let Some(owner) = self.run_as else { return Ok(()) };
        let folder = checkout.to_owned();
        let handed = tokio::task::spawn_blocking(move || own_tree(&folder, owner)).await;
        handed.map_err(std::io::Error::other).and_then(|handed| handed).map_err(|error| {
            let message = format!("cannot hand {} to local.run_as", checkout.display());
            PortError::with_source(ErrorKind::Unavailable, message, error)
        })
    }

    fn project_files(&self, checkout: &Path) -> Box<dyn ProjectFiles> {
        Box::new(CheckoutFiles(checkout.to_owned()))
    }

    async fn take_over(
        &self,
        claimed: &ClaimedJob,
        environment: &Environment,
        commit: Option<&Sha>,
    ) -> PortResult<()> {
        self.runner(claimed, environment, commit).await?;
        match self.host_of(environment)? {
            Some(host) => self.host_runner(host, claimed, environment, commit).await.map(drop),
            None => Ok(()),
        }
    }

    async fn place(&self, claimed: &ClaimedJob, environment: &Environment) -> PortResult<Place> {
        let repository = &environment.project.repository;
        // What is there stays there, whatever the settings say of new ones meanwhile.
        if let (Some(host), Some(_)) = (&environment.host, &environment.entry) {
            self.host_of(environment)?;
            return Ok(Place::On(host.clone()));
        }
        match self.settings.placement(repository) {
            Placed::In(Mode::Local) => {
                self.store.place(&claimed.claim, LOCAL_HOST).await?;
                Ok(Place::On(LOCAL_HOST.to_owned()))
            }
            Placed::In(_) => {
                let labels = self.settings.project(repository).map(|project| project.hosts.clone());
                let spec = VmSpec { labels: labels.unwrap_or_default() };
                self.pool.place(&claimed.claim, &spec).await
            }
            Placed::Nowhere(why) => Err(PortError::new(ErrorKind::Invalid, why)),
        }
    }

    async fn obstacle(&self, environment: &Environment) -> PortResult<Option<String>> {
        // Of what was never made nothing has to be waited for: it may still go elsewhere.
        if environment.entry.is_none() {
            return Ok(None);
        }
        match self.host_of(environment) {
            Ok(Some(host)) => self.pool.obstacle(host).await,
            // One that is not in the settings any more is told of where it is needed.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    async fn look(&self, environment: &Environment) -> PortResult<Option<String>> {
        match self.host_of(environment) {
            Ok(Some(host)) => self.pool.look(host).await,
            Ok(None) | Err(_) => Ok(None),
        }
    }

    async fn bench(
        &self,
        claimed: &ClaimedJob,
        environment: &Environment,
        config: &ProjectConfig,
        commit: Option<&Sha>,
    ) -> PortResult<Bench> {
        let task = Task { claimed, environment, config, commit };
        let here: Arc<dyn HookRunner> = Arc::new(self.runner(claimed, environment, commit).await?);
        if let Some(hooks) = config.provisioner.compute.as_ref().filter(|hooks| !hooks.create.is_empty()) {
            return self.made_bench(&task, hooks, here);
        }
        let host = self.host_of(environment)?;
        let (compute, hooks, boot) = match host {
            None => (self.local_compute(&task, here.clone()), here, this_boot()),
            Some(host) => {
                let there = Arc::new(self.host_runner(host, claimed, environment, commit).await?);
                let boot = Some(there.boot().to_owned());
                let compute = self.host_compute(&task, host, there.clone());
                (compute, Arc::new(Runners { here, there }) as Arc<dyn HookRunner>, boot)
            }
        };
        Ok(Bench {
            compute: Arc::new(compute),
            networking: Arc::new(self.networking(&task, host)),
            state: self.state(&task),
            hooks,
            probe: self.probe.clone(),
            progress: Arc::new(JournalReporter::new(Arc::new(self.store.clone()), claimed.job.id)),
            machine: host.map_or_else(|| self.machine.clone(), |host| host.settings.name.clone()),
            boot,
        })
    }

    async fn clear(&self, environment: &Environment) -> PortResult<()> {
        let folder = self.folders.life(environment.life);
        match tokio::fs::remove_dir_all(&folder).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let message = format!("cannot remove {}", folder.display());
                Err(PortError::with_source(ErrorKind::Unavailable, message, error))
            }
        }
    }
}

/// This machine's name in step records; `unknown` where it has none.
pub(super) fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// The kernel's id of this boot.
pub(super) fn this_boot() -> Option<String> {
    Some(boot_id()).filter(|id| !id.is_empty())
}

/// Files of a checkout, for validation. What lies outside of it is not looked at.
struct CheckoutFiles(PathBuf);

impl ProjectFiles for CheckoutFiles {
    fn exists(&self, path: &str) -> bool {
        let path = Path::new(path);
        let inside = path.strip_prefix(&self.0).unwrap_or(path);
        if inside.is_absolute() {
            return true;
        }
        self.0.join(inside).symlink_metadata().is_ok()
    }
}
