//! One command at work: the project, the store, and the hold on an environment while the Manager changes it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::bench::{Task, Tools};
use super::owner;
use super::project::LocalProject;
use crate::domain::change::Sha;
use crate::domain::entry::Status;
use crate::domain::environment::{Desired, Environment, Failure};
use crate::domain::job::JobEnd;
use crate::domain::ports::{
    ClaimedJob, EnvironmentOutcome, Environments, Errand, FolderEnvironments, FolderProject, Hosts as _, JobQueue,
    NetworkingPort, Placing, StatePort,
};
use crate::domain::project::ProjectConfig;
use crate::domain::trust::Trust;
use crate::inbound::cli::CliError;
use crate::inbound::cli::progress::TerminalProgress;
use crate::manager::{Dependencies, Deployed, Manager, ManagerError};
use crate::worker::{Cancel, lease};

/// How long a command holds an environment without a heartbeat.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// A project and what commands on it need.
pub(super) struct Session {
    pub(super) tools: Tools,
    pub(super) project: LocalProject,
    pub(super) known: FolderProject,
    pub(super) mode: Option<String>,
    pub(super) progress: Arc<TerminalProgress>,
    pub(super) cancel: CancellationToken,
}

/// How a command takes an environment.
pub(super) struct Hold<'a> {
    pub(super) name: &'a str,
    pub(super) command: String,
    pub(super) desired: Option<Desired>,
    pub(super) make: bool,
    pub(super) no_cache: bool,
    /// Whether a failure leaves the environment in status `error`.
    pub(super) marks_errors: bool,
}

/// What the work came to, as the store keeps it.
pub(super) enum After {
    Nothing,
    Ready(Box<Deployed>),
    Stopped,
    DataReset,
    Destroyed,
}

/// An environment that is held, and a Manager for it.
pub(super) struct Held {
    pub(super) manager: Manager,
    pub(super) environment: Environment,
    claimed: ClaimedJob,
    networking: Arc<dyn NetworkingPort>,
    config: ProjectConfig,
    started: i64,
}

impl Session {
    /// The mode of a command: as asked for, else the environment's own, else `local`.
    pub(super) async fn mode_of(&self, name: Option<&str>) -> anyhow::Result<String> {
        if let Some(mode) = &self.mode {
            return Ok(mode.clone());
        }
        let stored = match name {
            Some(name) => self.environment(name).await?.and_then(|environment| environment.entry),
            None => None,
        };
        let mode = stored.map(|entry| entry.mode).filter(|mode| !mode.is_empty());
        Ok(mode.unwrap_or_else(|| "local".to_owned()))
    }

    /// The environment's row, where it was ever made.
    pub(super) async fn environment(&self, name: &str) -> anyhow::Result<Option<Environment>> {
        Ok(self.tools.store.environment_named(self.known.project.id, name).await?)
    }

    /// Holds an environment, lets `work` change it, and keeps what came of it.
    pub(super) async fn hold<T>(
        &self,
        hold: Hold<'_>,
        work: impl AsyncFnOnce(&Held) -> Result<(T, After), ManagerError>,
    ) -> anyhow::Result<T> {
        let mode = self.mode_of(Some(hold.name)).await?;
        let project = &self.project;
        // What is only taken down or looked after is not held to a check that is newer than it.
        let config = if hold.make { project.config(&mode).await? } else { project.recalled(&mode).await? };
        let errand = Errand {
            project: self.known.project.id,
            name: hold.name.to_owned(),
            command: hold.command.clone(),
            desired: hold.desired.clone(),
            make: hold.make,
            owner: owner::this_process(),
            lease: LEASE,
        };
        let claimed = self.tools.store.take(&errand, &owner::judge(&self.tools.store)).await?;
        let stopped = Cancel::default();
        let heart = AbortOnDropHandle::new(tokio::spawn(lease::hold(
            Arc::new(self.tools.store.clone()),
            self.tools.clock.clone(),
            claimed.claim.clone(),
            LEASE,
            stopped.clone(),
        )));
        let begun = self.begin(&hold, config, claimed.clone(), stopped.token.clone()).await;
        let result = match begun {
            Ok(held) => self.work(&held, &hold, work, heart).await,
            Err(error) => Err(error),
        };
        self.finish(&claimed, &hold, result.as_ref().err()).await;
        result
    }

    async fn begin(
        &self,
        hold: &Hold<'_>,
        config: ProjectConfig,
        claimed: ClaimedJob,
        stop: CancellationToken,
    ) -> anyhow::Result<Held> {
        let id = claimed.claim.environment.context("the job holds no environment")?;
        let environment =
            Environments::get(&self.tools.store, id).await?.context("the environment is gone again")?;
        let asked = self.cancel.clone();
        let token = stop.clone();
        tokio::spawn(async move {
            asked.cancelled().await;
            token.cancel();
        });
        let task = Task {
            project: &self.project,
            config: config.clone(),
            claimed: Some(&claimed),
            environment: &environment,
            progress: self.progress.clone(),
            cancel: stop,
            no_cache: hold.no_cache,
        };
        let dependencies: Dependencies = self.tools.dependencies(task).await?;
        let networking = dependencies.networking.clone();
        let started = self.tools.clock.now_ms();
        Ok(Held { manager: Manager::new(dependencies), environment, claimed, networking, config, started })
    }

    async fn work<T>(
        &self,
        held: &Held,
        hold: &Hold<'_>,
        work: impl AsyncFnOnce(&Held) -> Result<(T, After), ManagerError>,
        heart: AbortOnDropHandle<&'static str>,
    ) -> anyhow::Result<T> {
        let worked = tokio::select! {
            worked = work(held) => worked,
            lost = heart => anyhow::bail!("the hold on the environment was lost: {}", lost.unwrap_or("internal error")),
        };
        match worked {
            Ok((value, after)) => {
                self.keep(held, after).await?;
                Ok(value)
            }
            Err(error) => {
                if hold.marks_errors {
                    self.mark_error(held, hold.name, &error).await;
                }
                Err(CliError::from(error).into())
            }
        }
    }

    async fn keep(&self, held: &Held, after: After) -> anyhow::Result<()> {
        let claim = &held.claimed.claim;
        let store = &self.tools.store;
        let outcome = match after {
            After::Nothing => return Ok(()),
            After::Stopped => EnvironmentOutcome::Stopped,
            After::DataReset => EnvironmentOutcome::DataReset,
            After::Destroyed => {
                store.record(claim, EnvironmentOutcome::Destroyed).await?;
                return Ok(self.clear(&held.environment).await?);
            }
            After::Ready(deployed) => {
                let host = crate::worker::converge::LOCAL_HOST;
                let placing = Placing { host, trust: Trust::Trusted, capacity: None, limits: None };
                store.place(claim, &placing).await?;
                EnvironmentOutcome::Ready {
                    commit: held.commit()?,
                    generation: held.environment.generation,
                    urls: held.urls(&deployed)?,
                    deploy_ms: self.tools.clock.now_ms() - held.started,
                    seeded: deployed.seeded(),
                }
            }
        };
        Ok(store.record(claim, outcome).await?)
    }

    /// Removes what was kept beside a life that is over.
    async fn clear(&self, environment: &Environment) -> std::io::Result<()> {
        match tokio::fs::remove_dir_all(self.tools.folders.life(environment.life)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The Manager leaves the status as it was; whoever called it says `error`, and keeps why.
    async fn mark_error(&self, held: &Held, name: &str, error: &ManagerError) {
        if error.is_fenced() {
            return;
        }
        let failure = Failure {
            step: failed_step(error),
            message: error.to_string(),
            exit_code: match error {
                ManagerError::Step(step) => step.exit_code(),
                _ => None,
            },
            log_tail: match error {
                ManagerError::Step(step) => step.log_tail().to_vec(),
                _ => Vec::new(),
            },
            annotations: Vec::new(),
            left_behind: Vec::new(),
        };
        let generation = held.environment.generation;
        let outcome = EnvironmentOutcome::Failed { generation, failure };
        let recorded = self.tools.store.record(&held.claimed.claim, outcome).await;
        let marked =
            if error.is_cancelled() { Ok(()) } else { held.manager.set_status(name, Status::Error).await };
        for problem in
            [recorded.err().map(|e| e.chain()), marked.err().map(|e| e.to_string())].into_iter().flatten()
        {
            tracing::debug!(problem, "the failure could not be kept");
        }
    }

    async fn finish(&self, claimed: &ClaimedJob, hold: &Hold<'_>, error: Option<&anyhow::Error>) {
        let end = match error {
            None => JobEnd::Succeeded { reason: format!("`previewbot {}` is done", hold.command) },
            Some(_) if self.cancel.is_cancelled() => JobEnd::Cancelled { reason: "interrupted".to_owned() },
            Some(error) => JobEnd::Failed { reason: format!("{error:#}") },
        };
        if let Err(error) = self.tools.store.finish(&claimed.claim, end, &[]).await {
            tracing::warn!(error = %error.chain(), "the end of the command could not be kept");
        }
    }

    /// The state of an environment for reading alone.
    pub(super) fn state(&self, environment: &Environment) -> impl StatePort + use<> {
        crate::outbound::store::StoredState::new(self.tools.store.clone(), environment.id, None)
    }
}

impl Held {
    fn commit(&self) -> anyhow::Result<Sha> {
        self.environment.desired.commit().cloned().context("the environment has no commit to show")
    }

    /// Links of the services that the project shows, in its order.
    fn urls(&self, deployed: &Deployed) -> anyhow::Result<Vec<(String, String)>> {
        let ports = deployed.entry.ports.clone().unwrap_or_default();
        let listed = &self.config.preview.urls;
        let services: Vec<&String> =
            if listed.is_empty() { self.config.services.keys().collect() } else { listed.iter().collect() };
        let known = services.into_iter().filter(|service| ports.contains_key(*service));
        known
            .map(|service| {
                let url = self.networking.service_url(&ports, &deployed.entry.name, service)?;
                Ok((service.clone(), url))
            })
            .collect()
    }
}

fn failed_step(error: &ManagerError) -> String {
    match error {
        ManagerError::Step(error) => error.step.clone(),
        ManagerError::Destroy(_) => "destroy".to_owned(),
        _ => "prepare".to_owned(),
    }
}
