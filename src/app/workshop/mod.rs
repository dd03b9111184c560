//! Adapters for one job of one environment, on the bot's own machine or on a host of the pool.

mod guard;
mod machines;
mod pool;
mod runners;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::folders::Folders;
use crate::domain::change::{Repository, Sha};
use crate::domain::compose::Confinement;
use crate::domain::environment::{Desired, Environment};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::host::{VmSpec, is_sandbox};
use crate::domain::job::Work;
use crate::domain::policy::Placement;
use crate::domain::ports::{ClaimedJob, Hosts as _, Placed as Outcome, Placing};
use crate::domain::project::validate::ProjectFiles;
use crate::domain::project::{PreviewPolicy, ProjectConfig};
use crate::domain::redact::Redactor;
use crate::domain::trust::Trust;
use crate::outbound::compute::{ENVIRONMENT_LABEL, INSTALLATION_LABEL};
use crate::outbound::git::MirrorGit;
use crate::outbound::machine::Machine as _;
use crate::outbound::probe::HttpProbe;
use crate::outbound::reservations::Reservations;
use crate::outbound::ssh::{Chamber, SshMachine, SshRunner, SshRunnerOptions};
use crate::outbound::store::Store;
use crate::outbound::supervisor::{LocalHookRunner, RunnerOptions, UserIds, boot_id, life_folder, own_tree};
use crate::settings::{Mode, Placed, Settings};
use crate::worker::converge::LOCAL_HOST;
use crate::worker::workshop::{Bench, Place, TakenOver, Workshop};
pub(crate) use guard::Guarding;
pub(crate) use pool::{Pool, PoolHost, ssh_options};

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
            chamber: self.chamber(host, environment),
        };
        let secrets = self.secrets(&environment.project.repository)?;
        SshRunner::take_over(host.ssh.clone(), options, Redactor::of_secrets(&secrets)).await
    }

    /// What an environment may take of its host; `None`: as much as there is.
    fn confinement(&self, environment: &Environment) -> Option<Confinement> {
        let placed = self.settings.placement(&environment.project.repository);
        let confined = placed == Placed::In(Mode::Sandbox) || environment.is_untrusted();
        confined.then(|| self.settings.sandbox.confinement())
    }

    fn chamber(&self, host: &PoolHost, environment: &Environment) -> Option<Chamber> {
        let confinement = self.confinement(environment)?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Some(Chamber {
            checkout: text(host.checkout(environment)),
            repository: text(host.repository(environment)),
            labels: vec![
                (INSTALLATION_LABEL, self.store.installation_id().to_string()),
                (ENVIRONMENT_LABEL, environment.life.to_string()),
            ],
            confinement,
        })
    }

    /// Labels of hosts that a project's untrusted previews go to: those that it names, where it has all of its previews in
    /// the sandbox.
    fn sandbox_labels(&self, repository: &Repository) -> Vec<String> {
        let project = self.settings.project(repository).filter(|project| project.mode == Some(Mode::Sandbox));
        project.map(|project| project.hosts.clone()).unwrap_or_default()
    }

    /// The host that an environment is placed on; `None`: the bot's own machine.
    fn host_of(&self, environment: &Environment) -> PortResult<Option<&PoolHost>> {
        match environment.host.as_deref() {
            None | Some(LOCAL_HOST) => Ok(None),
            Some(name) => self.pool.get(name).map(Some),
        }
    }
}

/// An environment that a job has taken over, on the bot's machine and on its host.
struct Taken<'a> {
    workshops: &'a Workshops,
    claimed: &'a ClaimedJob,
    environment: &'a Environment,
    commit: Option<Sha>,
    here: Arc<LocalHookRunner>,
    there: Option<(&'a PoolHost, Arc<SshRunner>)>,
}

#[async_trait]
impl TakenOver for Taken<'_> {
    async fn bench(&self, config: &ProjectConfig) -> PortResult<Bench> {
        let Self { claimed, environment, .. } = *self;
        let task = Task { claimed, environment, config, commit: self.commit.as_ref() };
        check_place(&task, self.there.as_ref().map(|(host, _)| *host))?;
        self.workshops.bench_of(&task, self)
    }

    async fn clear(&self) -> PortResult<()> {
        let life = self.environment.life;
        if let Some((host, runner)) = &self.there {
            SshMachine::new(runner.clone()).remove(&life_folder(&host.root(), life)).await?;
        }
        let folder = self.workshops.folders.life(life);
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

/// One job at work, and with what.
struct Task<'a> {
    claimed: &'a ClaimedJob,
    environment: &'a Environment,
    config: &'a ProjectConfig,
    commit: Option<&'a Sha>,
}

/// Untrusted code runs on hosts for that and nowhere else, whatever led to here.
fn check_place(task: &Task<'_>, host: Option<&PoolHost>) -> PortResult<()> {
    let runs = matches!(task.environment.desired, Desired::Running { .. });
    if !task.environment.is_untrusted() || !runs {
        return Ok(());
    }
    if task.config.provisioner.compute.as_ref().is_some_and(|hooks| !hooks.create.is_empty()) {
        let message = "previews of untrusted changes run on the bot's sandbox hosts, and this project has machines made \
            by provisioner.compute: push its commits to a branch of the repository itself";
        return Err(PortError::new(ErrorKind::Invalid, message));
    }
    if host.is_some_and(|host| is_sandbox(&host.settings.labels)) {
        return Ok(());
    }
    let place = environment_host(task.environment);
    let message = format!("untrusted code may not run on {place}, which is no host for that: destroy the preview");
    Err(PortError::new(ErrorKind::Invalid, message))
}

fn environment_host(environment: &Environment) -> &str {
    environment.host.as_deref().unwrap_or(LOCAL_HOST)
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

    fn has_sandbox(&self) -> bool {
        self.settings.has_sandbox()
    }

    fn trusted_bots(&self, repository: &Repository) -> &[String] {
        self.settings.project(repository).map_or(&[], |project| &project.trusted_bots)
    }

    fn policy(&self, repository: &Repository, written: PreviewPolicy) -> PreviewPolicy {
        match self.settings.project(repository) {
            Some(project) => project.preview.over(written),
            None => written,
        }
    }

    fn mode(&self, repository: &Repository, trust: Trust) -> &'static str {
        match self.settings.placement(repository) {
            _ if trust == Trust::Untrusted => Mode::Sandbox.as_str(),
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

    async fn take_over<'a>(
        &'a self,
        claimed: &'a ClaimedJob,
        environment: &'a Environment,
        commit: Option<&Sha>,
    ) -> PortResult<Box<dyn TakenOver + 'a>> {
        let here = Arc::new(self.runner(claimed, environment, commit).await?);
        let there = match self.host_of(environment)? {
            Some(host) => Some((host, Arc::new(self.host_runner(host, claimed, environment, commit).await?))),
            None => None,
        };
        Ok(Box::new(Taken { workshops: self, claimed, environment, commit: commit.cloned(), here, there }))
    }

    async fn place(&self, claimed: &ClaimedJob, environment: &Environment) -> PortResult<Place> {
        let repository = &environment.project.repository;
        // What is there stays there, whatever the settings say of new ones meanwhile.
        if let (Some(host), Some(_)) = (&environment.host, &environment.entry) {
            self.host_of(environment)?;
            return Ok(Place::On(host.clone()));
        }
        if environment.is_untrusted() {
            // Whatever the project's own previews ask for.
            let spec = VmSpec { labels: self.sandbox_labels(repository), sandbox: true };
            return self.pool.place(&claimed.claim, environment, &spec).await;
        }
        match self.settings.placement(repository) {
            Placed::In(Mode::Local) => {
                let limits = Some(self.settings.limits.previews());
                let placing = Placing { host: LOCAL_HOST, trust: Trust::Trusted, capacity: None, limits };
                Ok(match self.store.place(&claimed.claim, &placing).await? {
                    Outcome::Waits(why) => Place::Waits(why),
                    Outcome::There | Outcome::HostIsFull => Place::On(LOCAL_HOST.to_owned()),
                })
            }
            Placed::In(mode) => {
                let labels = self.settings.project(repository).map(|project| project.hosts.clone());
                let spec = VmSpec { labels: labels.unwrap_or_default(), sandbox: mode == Mode::Sandbox };
                self.pool.place(&claimed.claim, environment, &spec).await
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
