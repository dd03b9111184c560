use async_trait::async_trait;

use crate::domain::change::{ChangeNumber, Repository, Sha};
use crate::domain::environment::{Environment, EnvironmentId, Failure, Project, ProjectId};
use crate::domain::error::PortResult;
use crate::domain::job::Claim;
use crate::domain::report::Snapshot;

/// What a job did to its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentOutcome {
    /// It answers at these URLs with this commit. Refused (`Conflict`) when the generation moved on:
    /// the newest wins, an older job may not publish.
    Ready {
        /// The commit that runs.
        commit: Sha,
        /// The generation that the job worked for.
        generation: i64,
        /// Published URLs by service, in the order to show them.
        urls: Vec<(String, String)>,
        /// How long the deploy took, in ms.
        deploy_ms: i64,
        /// Whether a seed ran.
        seeded: bool,
    },
    /// The newest job failed. Ignored when the generation moved on.
    Failed {
        /// The generation that the job worked for.
        generation: i64,
        /// What to show.
        failure: Failure,
    },
    /// It is stopped, data kept.
    Stopped,
    /// One service's data is back at its seed.
    DataReset,
    /// Nothing of it exists any more: the life ends here, a new one may begin. Leases are given back.
    Destroyed,
}

/// Projects and environments.
#[async_trait]
pub trait Environments: Send + Sync {
    /// The project of this repository; its name, path and installation are brought up to date.
    async fn project(&self, repository: &Repository) -> PortResult<Option<Project>>;

    /// The project of this repository, made when there is none: its slug is `wanted` when free, else with a short hash.
    async fn ensure_project(&self, repository: &Repository, wanted: &str) -> PortResult<Project>;

    /// The environment that shows this change.
    async fn by_change(&self, project: ProjectId, number: ChangeNumber) -> PortResult<Option<Environment>>;

    /// One environment.
    async fn get(&self, id: EnvironmentId) -> PortResult<Option<Environment>>;

    /// Environments by project and name; with `gone`, also those that are destroyed.
    async fn list(&self, gone: bool) -> PortResult<Vec<Environment>>;

    /// Everything that a report of it is made from.
    async fn snapshot(&self, id: EnvironmentId) -> PortResult<Option<Snapshot>>;

    /// The commit whose configuration made what is there; `None`: nothing was made, or by an older version.
    async fn ruling(&self, id: EnvironmentId) -> PortResult<Option<Sha>>;

    /// Notes the commit whose configuration makes what comes now, fenced by the job's claim.
    async fn rule(&self, claim: &Claim, commit: &Sha) -> PortResult<()>;

    /// Records what a job did, fenced by its claim; raises revision and report revision.
    async fn record(&self, claim: &Claim, outcome: EnvironmentOutcome) -> PortResult<()>;
}
