//! Adapters for one command's work on one environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::project::LocalProject;
use crate::app::folders::Folders;
use crate::domain::environment::{Environment, EnvironmentId, Slug};
use crate::domain::job::{Claim, JobId};
use crate::domain::ports::{ClaimedJob, Clock, HookOutput, HookRunner, PortLeases, ProgressReporter};
use crate::domain::project::ProjectConfig;
use crate::domain::redact::Redactor;
use crate::inbound::cli::progress::TerminalProgress;
use crate::manager::Dependencies;
use crate::outbound::compute::{ComputeOptions, MachineCompute, WorktreeSource};
use crate::outbound::machine::{LocalMachine, Machine};
use crate::outbound::networking::{LeasedNetworking, NetworkingOptions};
use crate::outbound::probe::HttpProbe;
use crate::outbound::progress::{Fanout, JournalReporter};
use crate::outbound::reservations::Reservations;
use crate::outbound::store::{Store, StoredLeases, StoredState};
use crate::outbound::supervisor::{LocalHookRunner, RunnerOptions};
use crate::settings::Settings;
use crate::worker::converge::LOCAL_HOST;

/// What every command has, whatever environment it works on.
pub(super) struct Tools {
    pub(super) settings: Arc<Settings>,
    pub(super) folders: Folders,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) machine: String,
}

/// What one command does to one environment.
pub(super) struct Task<'a> {
    pub(super) project: &'a LocalProject,
    pub(super) config: ProjectConfig,
    /// `None`: nothing is held and nothing is stored.
    pub(super) claimed: Option<&'a ClaimedJob>,
    pub(super) environment: &'a Environment,
    pub(super) progress: Arc<TerminalProgress>,
    pub(super) cancel: CancellationToken,
    pub(super) no_cache: bool,
}

impl Tools {
    /// Where an environment's worktree is made.
    pub(super) fn worktree(&self, environment: &Environment) -> PathBuf {
        self.folders.compute_root(environment)
    }

    /// git for the project's repository.
    pub(super) fn source(project: &LocalProject, config: &ProjectConfig) -> WorktreeSource {
        let env_files = config.services.values().filter(|service| service.env.is_some());
        let env_files = env_files.map(|s| format!("/{}/{}", s.path.trim_matches('/'), s.env_file_or_default()));
        let generated =
            [".previewctl.json", ".previewctl.compose.yaml", "preview/nginx.conf", "preview/error-pages/"];
        let generated = generated.into_iter().map(|file| format!("/{file}")).chain(env_files);
        WorktreeSource::new(project.root.clone(), project.variables.clone()).ignoring(generated.collect())
    }

    /// The Manager's dependencies. Taking the environment over ends what a command before left running.
    pub(super) async fn dependencies(&self, task: Task<'_>) -> anyhow::Result<Dependencies> {
        let Task { project, config, claimed, environment, progress, cancel, no_cache } = task;
        let secrets = project.secrets(&config)?;
        let redactor = Redactor::of_secrets(&secrets);
        let options = RunnerOptions {
            root: self.folders.previews(),
            life: environment.life,
            // Without a claim the later one takes over.
            epoch: claimed.map_or_else(|| self.clock.now_ms(), |claimed| claimed.claim.epoch),
            run_as: None,
            commit: None,
        };
        let shown: Arc<dyn HookOutput> = progress.clone();
        let runner = LocalHookRunner::take_over(options).await?.hiding(redactor.clone()).shown_to(shown);
        let hooks: Arc<dyn HookRunner> = Arc::new(runner.inheriting(project.variables.clone()));
        let source = Arc::new(Self::source(project, &config));
        let compute = MachineCompute::new(self.place(environment, &config), this_machine(hooks.clone()), source);
        let claim = claimed.map_or_else(|| no_claim(environment.id), |claimed| claimed.claim.clone());
        let mut told: Vec<Arc<dyn ProgressReporter>> = vec![progress];
        if let Some(claimed) = claimed {
            told.push(Arc::new(JournalReporter::quiet(Arc::new(self.store.clone()), claimed.job.id)));
        }
        Ok(Dependencies {
            probe: probe(&config)?,
            compute: Arc::new(compute),
            networking: Arc::new(self.networking(&claim, environment)),
            state: Arc::new(StoredState::new(self.store.clone(), environment.id, Some(claim))),
            progress: Arc::new(Fanout::new(told)),
            hooks,
            clock: self.clock.clone(),
            cancel,
            secrets,
            redactor,
            life: environment.life,
            commit: environment.desired.commit().cloned(),
            machine: self.machine.clone(),
            boot: crate::app::workshop::this_boot(),
            step_timeout: self.settings.limits.step_timeout(),
            no_cache,
            project_root: project.root.clone(),
            config,
        })
    }

    pub(super) fn place(&self, environment: &Environment, config: &ProjectConfig) -> ComputeOptions {
        ComputeOptions {
            life: environment.life,
            slug: project_word(environment, config),
            root: self.folders.previews(),
            directory: self.worktree(environment),
            compose_file: config.infrastructure.as_ref().map(|infrastructure| infrastructure.compose_file.clone()),
            bind: self.settings.local.bind.to_string(),
            watch: WATCH,
            stop_seconds: self.settings.limits.stop_seconds,
            installation: self.store.installation_id().to_string(),
            docker_config: docker_config(&self.folders.life(environment.life)),
            reached: None,
            confinement: None,
        }
    }

    pub(super) fn networking(&self, claim: &Claim, environment: &Environment) -> LeasedNetworking {
        let leases: Arc<dyn PortLeases> = Arc::new(StoredLeases::new(self.store.clone(), claim.clone()));
        let options = NetworkingOptions {
            host: LOCAL_HOST.to_owned(),
            environment: environment.id,
            slug: environment.project.slug.to_string(),
            public_host: self.settings.local.public_host.as_str().into(),
            template: self.settings.urls.template.clone(),
        };
        LeasedNetworking::new(leases, Arc::new(Reservations::default()), options)
    }
}

/// A person at a terminal waits, and sees by `status` what ends later.
const WATCH: Duration = Duration::from_millis(60);

/// The machine that the person works at.
pub(super) fn this_machine(hooks: Arc<dyn HookRunner>) -> Arc<dyn Machine> {
    Arc::new(LocalMachine::new(hooks, None))
}

/// A claim that nobody holds: whatever is written under it is refused.
pub(super) fn no_claim(environment: EnvironmentId) -> Claim {
    let environment = Some(environment);
    Claim { job: JobId(0), environment, epoch: 0, owner: String::new(), attempt: 0, claims: 0 }
}

/// The project's own name goes into names of compose projects, as in the Go tool; a second folder of that name goes by
/// its slug, so that the two do not meet.
fn project_word(environment: &Environment, config: &ProjectConfig) -> String {
    let slug = &environment.project.slug;
    if *slug == Slug::from_text(&config.name) { config.name.clone() } else { slug.to_string() }
}

/// A person's own registry credentials, where there are some.
fn docker_config(life: &Path) -> PathBuf {
    let own = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    own.or_else(home).filter(|folder| folder.is_dir()).unwrap_or_else(|| life.join("docker"))
}

/// At a terminal only what the project itself asks to be probed is: people start services by hand there.
fn probe(config: &ProjectConfig) -> anyhow::Result<Option<Arc<dyn crate::domain::ports::ReadinessProbe>>> {
    if config.preview.probe.service.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(HttpProbe::new()?)))
}
