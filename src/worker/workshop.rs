//! What a job of an environment needs from the composition root: adapters made for exactly that environment,
//! fenced by the job's epoch.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::domain::change::{Repository, Sha};
use crate::domain::environment::Environment;
use crate::domain::error::PortResult;
use crate::domain::policy::Placement;
use crate::domain::ports::{
    ClaimedJob, ComputePort, HookRunner, NetworkingPort, ProgressReporter, ReadinessProbe, StatePort,
};
use crate::domain::project::validate::ProjectFiles;
use crate::domain::project::{PreviewPolicy, ProjectConfig};
use crate::domain::trust::Trust;

/// What one job works with.
pub struct Bench {
    /// Where the environment lives.
    pub compute: Arc<dyn ComputePort>,
    /// Its ports and addresses.
    pub networking: Arc<dyn NetworkingPort>,
    /// Its entry, fenced by the job's epoch.
    pub state: Arc<dyn StatePort>,
    /// Runs hooks on the bot's machine, fenced by the job's epoch.
    pub hooks: Arc<dyn HookRunner>,
    /// Tells whether it answers.
    pub probe: Arc<dyn ReadinessProbe>,
    /// Who is told of steps.
    pub progress: Arc<dyn ProgressReporter>,
    /// The machine's name in step records.
    pub machine: String,
    /// Which boot of the machine this is.
    pub boot: Option<String>,
}

/// Where an environment is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this host, which is recorded.
    On(String),
    /// Nowhere for now: what it waits for.
    Full(String),
    /// Nowhere before it is its turn: why. It is told when that is.
    Waits(String),
}

/// Makes benches and knows what settings say about projects.
#[async_trait]
pub trait Workshop: Send + Sync {
    /// Where previews of this repository may be placed.
    fn placement(&self, repository: &Repository) -> Placement;

    /// Whether there are hosts for untrusted code.
    fn has_sandbox(&self) -> bool;

    /// Logins of bots whose changes are the team's own.
    fn trusted_bots(&self, repository: &Repository) -> &[String];

    /// A repository's policy with what the settings say instead.
    fn policy(&self, repository: &Repository, written: PreviewPolicy) -> PreviewPolicy;

    /// The mode whose overlay applies to a preview of this trust, `local`.
    fn mode(&self, repository: &Repository, trust: Trust) -> &'static str;

    /// The project's secrets by name.
    ///
    /// # Errors
    /// `Invalid` when one is missing.
    fn secrets(&self, repository: &Repository) -> PortResult<BTreeMap<String, SecretString>>;

    /// The control checkout of an environment: cwd of provisioner hooks.
    fn control_checkout(&self, environment: &Environment) -> PathBuf;

    /// Hands a checkout to the account that hooks run as.
    async fn hand_over(&self, checkout: &std::path::Path) -> PortResult<()>;

    /// A look at a checkout's files, for validation.
    fn project_files(&self, checkout: &std::path::Path) -> Box<dyn ProjectFiles>;

    /// Chooses the host that an environment is deployed to, and records it; one that has a host stays there. Untrusted code
    /// goes to hosts for that alone.
    ///
    /// # Errors
    /// `Invalid` when the settings have no host for it.
    async fn place(&self, claimed: &ClaimedJob, environment: &Environment) -> PortResult<Place>;

    /// What keeps work from beginning where the environment lives, such as a host that is down; `None`: nothing that is
    /// known.
    async fn obstacle(&self, environment: &Environment) -> PortResult<Option<String>>;

    /// The same by a look at the place itself, after work there failed.
    async fn look(&self, environment: &Environment) -> PortResult<Option<String>>;

    /// Takes the environment over before anything of it is changed: hooks that an older epoch left running are
    /// ended, unless this job is going to ask for them again at `commit`.
    async fn take_over<'a>(
        &'a self,
        claimed: &'a ClaimedJob,
        environment: &'a Environment,
        commit: Option<&Sha>,
    ) -> PortResult<Box<dyn TakenOver + 'a>>;
}

/// An environment that one job has taken over.
#[async_trait]
pub trait TakenOver: Send + Sync {
    /// Adapters for the job at the commit that it was taken over for, with this configuration.
    async fn bench(&self, config: &ProjectConfig) -> PortResult<Bench>;

    /// Removes what is kept beside an environment that is destroyed, or was never made.
    async fn clear(&self) -> PortResult<()>;
}
