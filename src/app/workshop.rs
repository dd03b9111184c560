//! Adapters for one job of one environment on the bot's own machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::folders::Folders;
use crate::domain::change::{Repository, Sha};
use crate::domain::environment::{Desired, Environment};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::{Claim, Work};
use crate::domain::policy::Placement;
use crate::domain::ports::{ClaimedJob, Git, HookRunner, PortLeases};
use crate::domain::project::ProjectConfig;
use crate::domain::project::validate::ProjectFiles;
use crate::domain::redact::Redactor;
use crate::outbound::compute::{LocalCompute, LocalComputeOptions, MirrorSource};
use crate::outbound::networking::{LocalNetworking, NetworkingOptions};
use crate::outbound::probe::HttpProbe;
use crate::outbound::progress::JournalReporter;
use crate::outbound::reservations::Reservations;
use crate::outbound::store::{SqliteLeases, SqliteState, Store};
use crate::outbound::supervisor::{LocalHookRunner, RunnerOptions, UserIds, boot_id, own_tree};
use crate::settings::{Placed, Settings};
use crate::worker::converge::LOCAL_HOST;
use crate::worker::workshop::{Bench, Workshop};

/// The workshop of the bot's own machine.
pub(super) struct LocalWorkshop {
    settings: Arc<Settings>,
    folders: Folders,
    store: Store,
    git: Arc<dyn Git>,
    probe: Arc<HttpProbe>,
    reservations: Arc<Reservations>,
    run_as: Option<UserIds>,
    machine: String,
}

impl LocalWorkshop {
    pub(super) fn new(
        settings: Arc<Settings>,
        store: Store,
        git: Arc<dyn Git>,
        run_as: Option<UserIds>,
    ) -> anyhow::Result<Self> {
        let folders = Folders::new(&settings.data_dir);
        folders.make()?;
        Ok(Self {
            folders,
            settings,
            store,
            git,
            probe: Arc::new(HttpProbe::new()?),
            reservations: Arc::default(),
            run_as,
            machine: machine_name(),
        })
    }

    fn compute_options(&self, environment: &Environment, config: &ProjectConfig) -> LocalComputeOptions {
        LocalComputeOptions {
            life: environment.life,
            slug: environment.project.slug.to_string(),
            root: self.folders.previews(),
            directory: self.folders.compute_root(environment),
            compose_file: config.infrastructure.as_ref().map(|infrastructure| infrastructure.compose_file.clone()),
            bind: self.settings.local.bind.to_string(),
            stop_seconds: self.settings.limits.stop_seconds,
            installation: self.store.installation_id().to_string(),
            docker_config: self.folders.life(environment.life).join("docker"),
            run_as: self.run_as,
        }
    }

    async fn runner(
        &self,
        claimed: &ClaimedJob,
        environment: &Environment,
        commit: Option<&Sha>,
    ) -> PortResult<LocalHookRunner> {
        // Only a deployment asks again for what one before it had begun.
        let resets = matches!(claimed.job.work, Work::Reset { .. });
        let deploys = matches!(environment.desired, Desired::Running { .. }) && !resets;
        let options = RunnerOptions {
            root: self.folders.previews(),
            life: environment.life,
            epoch: claimed.claim.epoch,
            run_as: self.run_as,
            commit: commit.filter(|_| deploys).map(ToString::to_string),
        };
        let secrets = self.secrets(&environment.project.repository)?;
        let redactor = Redactor::of_secrets(&secrets);
        Ok(LocalHookRunner::take_over(options).await?.hiding(redactor))
    }

    fn networking(&self, claim: &Claim, environment: &Environment) -> LocalNetworking {
        let leases: Arc<dyn PortLeases> = Arc::new(SqliteLeases::new(self.store.clone(), claim.clone()));
        let options = NetworkingOptions {
            host: LOCAL_HOST.to_owned(),
            environment: environment.id,
            slug: environment.project.slug.to_string(),
            public_host: self.settings.local.public_host.clone(),
            template: self.settings.urls.template.clone(),
        };
        LocalNetworking::new(leases, self.reservations.clone(), options)
    }
}

#[async_trait]
impl Workshop for LocalWorkshop {
    fn placement(&self, repository: &Repository) -> Placement {
        match self.settings.placement(repository) {
            Placed::In(_) => Placement::Local,
            Placed::Nowhere(why) => Placement::Nowhere(why),
        }
    }

    fn mode(&self, repository: &Repository) -> &'static str {
        match self.settings.placement(repository) {
            Placed::In(mode) => mode.as_str(),
            Placed::Nowhere(_) => crate::settings::Mode::Local.as_str(),
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
        self.runner(claimed, environment, commit).await.map(drop)
    }

    async fn bench(
        &self,
        claimed: &ClaimedJob,
        environment: &Environment,
        config: &ProjectConfig,
        commit: Option<&Sha>,
    ) -> PortResult<Bench> {
        let hooks: Arc<dyn HookRunner> = Arc::new(self.runner(claimed, environment, commit).await?);
        let place = self.compute_options(environment, config);
        let source = Arc::new(MirrorSource {
            git: self.git.clone(),
            repository: environment.project.repository.clone(),
            commit: commit.cloned(),
            life: environment.life,
            run_as: self.run_as,
        });
        Ok(Bench {
            compute: Arc::new(LocalCompute::new(place, source, hooks.clone())),
            networking: Arc::new(self.networking(&claimed.claim, environment)),
            state: Arc::new(SqliteState::new(self.store.clone(), environment.id, Some(claimed.claim.clone()))),
            hooks,
            probe: self.probe.clone(),
            progress: Arc::new(JournalReporter::new(Arc::new(self.store.clone()), claimed.job.id)),
            machine: self.machine.clone(),
            boot: this_boot(),
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
