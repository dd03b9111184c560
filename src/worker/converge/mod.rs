//! Makes an environment what it should be: deploys, stops, destroys, resets. Every deed is the Manager's; here it is
//! decided which one, with which configuration, and what is recorded afterwards.

mod approved;
mod logs;
mod prepare;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::reporter::Forges;
use super::workshop::{Bench, Place, Workshop};
use super::{Cancel, assess};
use crate::domain::change::Sha;
use crate::domain::entry::Status;
use crate::domain::environment::{Desired, Environment, Failure};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::{JobEnd, Work};
use crate::domain::ports::{Audit, ClaimedJob, Clock, CreateRequest, EnvironmentOutcome, Environments, Git};
use crate::domain::redact::Redactor;
use crate::manager::{Dependencies, Manager};
use prepare::Prepared;
use trouble::Trouble;

/// Name of the host that stands for the bot's own machine.
pub const LOCAL_HOST: &str = "local";

/// How long a job waits before it looks again whether a host has room, or answers.
const UNTIL_ROOM: Duration = Duration::from_secs(5);

/// How long a job waits that is told when it is its turn; settings may have changed since.
const UNTIL_TOLD: Duration = Duration::from_mins(2);

/// Brings environments to what is desired.
pub struct Converger {
    /// Projects and environments.
    pub environments: Arc<dyn Environments>,
    /// Forges by kind, for tokens to fetch with.
    pub forges: Forges,
    /// Mirrors and checkouts.
    pub git: Arc<dyn Git>,
    /// Makes the adapters of one job.
    pub workshop: Arc<dyn Workshop>,
    /// Where refusals to run something are kept.
    pub audit: Arc<dyn Audit>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Limit of one step.
    pub step_timeout: Duration,
}

/// One job at work: what was claimed, for which environment, and how it hears that it should stop.
struct Task<'a> {
    claimed: &'a ClaimedJob,
    environment: Environment,
    cancel: &'a Cancel,
}

impl Converger {
    /// Runs one job of an environment.
    pub async fn run(&self, claimed: &ClaimedJob, cancel: &Cancel) -> JobEnd {
        let environment = match self.environment(claimed).await {
            Ok(environment) => environment,
            Err(error) => return assess::retry_or_fail(&error),
        };
        let task = Task { claimed, environment, cancel };
        if matches!(&claimed.job.work, Work::Reset { life, .. } if *life != task.environment.life) {
            return JobEnd::Cancelled { reason: "the preview that this reset was meant for is gone".to_owned() };
        }
        match self.workshop.obstacle(&task.environment).await {
            Ok(None) => {}
            Ok(Some(reason)) => return JobEnd::Wait { reason, after: UNTIL_ROOM },
            Err(error) => return assess::retry_or_fail(&error),
        }
        match &claimed.job.work {
            Work::Reset { service, .. } => self.reset(&task, service).await,
            _ => match task.environment.desired.clone() {
                Desired::Running { commit } => self.deploy(&task, &commit).await,
                Desired::Stopped => self.stop(&task).await,
                Desired::Absent => self.destroy(&task).await,
            },
        }
    }

    async fn environment(&self, claimed: &ClaimedJob) -> PortResult<Environment> {
        let found = match claimed.job.environment_id {
            Some(id) => self.environments.get(id).await?,
            None => None,
        };
        found.ok_or_else(|| PortError::new(ErrorKind::Invalid, "the job's environment is not in the store"))
    }

    async fn deploy(&self, task: &Task<'_>, commit: &Sha) -> JobEnd {
        let started = self.clock.now();
        if task.environment.is_outlived() {
            return self.begin_anew(task).await;
        }
        let host = match self.workshop.place(task.claimed, &task.environment).await {
            Ok(Place::On(host)) => host,
            Ok(Place::Full(reason)) => return JobEnd::Wait { reason, after: UNTIL_ROOM },
            Ok(Place::Waits(reason)) => return JobEnd::Wait { reason, after: UNTIL_TOLD },
            Err(error) => return self.failed(task, &error.into()).await,
        };
        let placed = Environment { host: Some(host), ..task.environment.clone() };
        let task = &Task { environment: placed, ..*task };
        match self.try_deploy(task, commit, started).await {
            Ok(()) => JobEnd::Succeeded { reason: format!("{} runs {}", task.environment.name, commit.short()) },
            Err(trouble) => {
                let end = self.failed(task, &trouble).await;
                if !matches!(end, JobEnd::Retry { .. } | JobEnd::Wait { .. }) {
                    self.end_hooks(task).await;
                }
                end
            }
        }
    }

    /// Takes down what was made for another trust than the one that is wanted: places, configuration and secrets are those
    /// of a whole life.
    async fn begin_anew(&self, task: &Task<'_>) -> JobEnd {
        let going = Environment { desired: Desired::Absent, ..task.environment.clone() };
        let name = going.name.clone();
        match self.try_destroy(&Task { environment: going, ..*task }).await {
            Ok(()) => JobEnd::Wait {
                reason: format!("{name} was {} before and begins anew", task.environment.trust_in_force()),
                after: Duration::ZERO,
            },
            Err(trouble) => self.failed(task, &trouble).await,
        }
    }

    /// Ends hooks that a former try began and that nobody is going to ask for again.
    async fn end_hooks(&self, task: &Task<'_>) {
        match self.workshop.take_over(task.claimed, &task.environment, None).await {
            Ok(_) => {}
            // They belong to whoever took over.
            Err(error) if error.kind() == ErrorKind::Fenced => {}
            Err(error) => tracing::warn!(error = %error.chain(), "hooks of a former try may still run"),
        }
    }

    async fn try_deploy(&self, task: &Task<'_>, commit: &Sha, started: jiff::Timestamp) -> Result<(), Trouble> {
        let environment = &task.environment;
        // First of all: nothing may change under hooks that still run for another commit.
        let taken = self.workshop.take_over(task.claimed, environment, Some(commit)).await?;
        let prepared = self.prepare(task, commit).await?;
        let bench = taken.bench(&prepared.config).await?;
        let (networking, hooks) = (bench.networking.clone(), bench.hooks.clone());
        let (no_cache, from) = match &task.claimed.job.work {
            Work::Deploy { no_cache, from } => (*no_cache, from.clone()),
            _ => (false, None),
        };
        let services = shown_services(&prepared);
        let manager = self.manager(task, prepared, bench, no_cache);
        let branch = environment.change.as_ref().map_or("", |change| change.head.branch.as_str());
        let request =
            CreateRequest { environment: environment.name.to_string(), branch: branch.to_owned(), base: None };
        let deployed = manager.init(&request, from.as_deref()).await;
        if let Err(error) = hooks.settle().await {
            tracing::warn!(error = %error.chain(), "hooks that a former try began may still run");
        }
        let deployed = match deployed {
            Ok(deployed) => deployed,
            Err(error) => {
                self.mark_error(&manager, environment, &error).await;
                return Err(error.into());
            }
        };
        let seeded = deployed.seeded();
        let ports = deployed.entry.ports.unwrap_or_default();
        let mut urls = Vec::new();
        for service in services.iter().filter(|service| ports.contains_key(*service)) {
            let url = networking.service_url(&ports, environment.name.as_str(), service)?;
            urls.push((service.clone(), url));
        }
        let deploy_ms = self.clock.now_ms() - started.as_millisecond();
        let outcome = EnvironmentOutcome::Ready {
            commit: commit.clone(),
            generation: environment.generation,
            urls,
            deploy_ms,
            seeded,
        };
        Ok(self.environments.record(&task.claimed.claim, outcome).await?)
    }

    async fn stop(&self, task: &Task<'_>) -> JobEnd {
        let stopped = async {
            let prepared = self.in_force(task).await?;
            let bench = self.bench(task, &prepared).await?;
            // What never came up has nothing to stop.
            if bench.state.get_environment(task.environment.name.as_str()).await?.is_some() {
                let manager = self.manager(task, prepared, bench, false);
                manager.stop(task.environment.name.as_str()).await?;
            }
            self.environments.record(&task.claimed.claim, EnvironmentOutcome::Stopped).await?;
            Ok::<(), Trouble>(())
        };
        match stopped.await {
            Ok(()) => JobEnd::Succeeded { reason: format!("{} is stopped", task.environment.name) },
            Err(trouble) => self.failed(task, &trouble).await,
        }
    }

    async fn destroy(&self, task: &Task<'_>) -> JobEnd {
        match self.try_destroy(task).await {
            Ok(()) => JobEnd::Succeeded { reason: format!("{} is destroyed", task.environment.name) },
            Err(trouble) => match self.failed(task, &trouble).await {
                // What is in the way of a destroy often goes away; giving up early would leave things behind.
                JobEnd::Failed { reason } => JobEnd::Retry { reason, after: None },
                end => end,
            },
        }
    }

    async fn try_destroy(&self, task: &Task<'_>) -> Result<(), Trouble> {
        let environment = &task.environment;
        let prepared = self.in_force(task).await?;
        let repository = &environment.project.repository;
        let control = prepared.project_root.clone();
        let taken = self.workshop.take_over(task.claimed, environment, prepared.commit.as_ref()).await?;
        let bench = taken.bench(&prepared.config).await?;
        if bench.state.get_environment(environment.name.as_str()).await?.is_some() {
            // A destroy is not cut off: half of one is worse than all of it, and a redeploy waits for it.
            let manager = self.manager(task, prepared, bench, false);
            manager.destroy(environment.name.as_str()).await?;
        }
        self.git.remove_checkout(repository, &control).await?;
        self.git.release(repository, environment.life).await?;
        taken.clear().await?;
        self.environments.record(&task.claimed.claim, EnvironmentOutcome::Destroyed).await?;
        Ok(())
    }

    async fn reset(&self, task: &Task<'_>, service: &str) -> JobEnd {
        let reset = async {
            let prepared = self.in_force(task).await?;
            if let Some(commit) = prepared.commit.as_ref().filter(|_| task.environment.is_untrusted()) {
                self.approved(task, commit).await?;
            }
            let bench = self.bench(task, &prepared).await?;
            let manager = self.manager(task, prepared, bench, false);
            manager.core_reset(service, task.environment.name.as_str()).await?;
            self.environments.record(&task.claimed.claim, EnvironmentOutcome::DataReset).await?;
            Ok::<(), Trouble>(())
        };
        match reset.await {
            Ok(()) => JobEnd::Succeeded { reason: format!("data of {service} is back at its seed") },
            Err(trouble) => self.failed(task, &trouble).await,
        }
    }

    async fn bench(&self, task: &Task<'_>, prepared: &Prepared) -> Result<Bench, Trouble> {
        let taken = self.workshop.take_over(task.claimed, &task.environment, prepared.commit.as_ref()).await?;
        Ok(taken.bench(&prepared.config).await?)
    }

    fn manager(&self, task: &Task<'_>, prepared: Prepared, bench: Bench, no_cache: bool) -> Manager {
        let destroying = task.environment.desired == Desired::Absent;
        let cancel =
            if destroying { tokio_util::sync::CancellationToken::new() } else { task.cancel.token.clone() };
        Manager::new(Dependencies {
            config: prepared.config,
            project_root: prepared.project_root,
            compute: bench.compute,
            networking: bench.networking,
            state: bench.state,
            progress: bench.progress,
            hooks: bench.hooks,
            clock: self.clock.clone(),
            probe: Some(bench.probe),
            cancel,
            redactor: Redactor::of_secrets(&prepared.secrets),
            secrets: prepared.secrets,
            life: task.environment.life,
            commit: prepared.commit,
            machine: bench.machine,
            boot: bench.boot,
            step_timeout: self.step_timeout,
            no_cache,
        })
    }

    /// The Manager leaves the status as it was when a step failed; its caller says `error`.
    async fn mark_error(
        &self,
        manager: &Manager,
        environment: &Environment,
        error: &crate::manager::ManagerError,
    ) {
        if error.is_cancelled() || error.is_fenced() {
            return;
        }
        if let Err(error) = manager.set_status(environment.name.as_str(), Status::Error).await {
            tracing::warn!(%error, "the status cannot be set to error");
        }
    }

    /// Knows the project's secrets, and what hooks printed under names that speak of secrets.
    async fn redactor(&self, task: &Task<'_>) -> Redactor {
        let secrets = self.workshop.secrets(&task.environment.project.repository).unwrap_or_default();
        let mut values: Vec<String> = secrets.values().map(|secret| secret.expose_secret().to_owned()).collect();
        let environment = self.environments.get(task.environment.id).await.ok().flatten();
        let outputs = environment.and_then(|e| e.entry).and_then(|entry| entry.provisioner_outputs);
        for (name, value) in outputs.into_iter().flat_map(BTreeMap::into_values).flatten() {
            if speaks_of_a_secret(&name) {
                values.push(value);
            }
        }
        Redactor::new(values)
    }

    /// Records a failure where people see it, and says whether to try again.
    async fn failed(&self, task: &Task<'_>, trouble: &Trouble) -> JobEnd {
        if task.cancel.token.is_cancelled() && (trouble.is_cancelled() || trouble.is_outdated()) {
            return JobEnd::Cancelled { reason: task.cancel.reason().to_owned() };
        }
        if trouble.is_outdated() {
            return JobEnd::Cancelled { reason: "something newer was decided meanwhile".to_owned() };
        }
        if trouble.is_fenced() {
            return JobEnd::Failed { reason: "another worker took over".to_owned() };
        }
        let job = &task.claimed.job;
        let redactor = self.redactor(task).await;
        // Tries are not spent on a host that is away.
        if trouble.may_retry()
            && let Ok(Some(reason)) = self.workshop.look(&task.environment).await
        {
            let trouble = redactor.redact(&trouble.to_string());
            tracing::info!(trouble, "the job waits for its host");
            return JobEnd::Wait { reason, after: UNTIL_ROOM };
        }
        if trouble.may_retry() && job.attempt < job.max_attempts {
            return JobEnd::Retry { reason: redactor.redact(&trouble.to_string()), after: trouble.wait() };
        }
        let failure: Failure = trouble.failure(&redactor);
        let reason = format!("failed at {}: {}", failure.step, failure.message);
        let outcome = EnvironmentOutcome::Failed { generation: task.environment.generation, failure };
        match self.environments.record(&task.claimed.claim, outcome).await {
            Ok(()) => JobEnd::Failed { reason },
            Err(error) => assess::retry_or_fail(&error),
        }
    }
}

fn speaks_of_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "URL", "URI", "DSN"].iter().any(|word| name.contains(word))
}

/// Services whose URLs are shown, in order: as the policy lists them, else all of the application's.
fn shown_services(prepared: &Prepared) -> Vec<String> {
    let listed = &prepared.config.preview.urls;
    if listed.is_empty() { prepared.config.services.keys().cloned().collect() } else { listed.clone() }
}
