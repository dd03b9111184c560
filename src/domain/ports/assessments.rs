use async_trait::async_trait;

use crate::domain::change::Change;
use crate::domain::decision::DecisionRecord;
use crate::domain::environment::{Environment, Project};
use crate::domain::error::PortResult;
use crate::domain::event::{Delivery, DeliveryId};
use crate::domain::job::Claim;
use crate::domain::project::Terms;

/// The result of one assessment, to be written in one transaction.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The project; its row exists.
    pub project: Project,
    /// The change as it was just read.
    pub change: Change,
    /// The environment that the decisions were made against; its revision must still be the stored one.
    /// `None`: there was no row, and one is made when a decision is more than "nothing".
    pub environment: Option<Environment>,
    /// What the project's policy says of the preview; `None` where nobody read it.
    pub terms: Option<Terms>,
    /// What was decided, oldest first. Each is applied in turn.
    pub decisions: Vec<DecisionRecord>,
    /// Deliveries that are answered by this, each with its outcome in words.
    pub deliveries: Vec<(DeliveryId, String)>,
}

/// Where assessments read what waits for them and write what they concluded.
#[async_trait]
pub trait Assessments: Send + Sync {
    /// Deliveries about this subject (see `Subject::key`) that were not assessed yet, oldest first.
    async fn pending(&self, subject_key: &str) -> PortResult<Vec<Delivery>>;

    /// Writes an assessment in one transaction: change snapshot, decisions, desired (raising the generation),
    /// jobs (a waiting converging job is superseded, a running one of an older generation is asked to stop,
    /// unless it was cancelled by pushes three times in a row already), replies, outcomes of the deliveries.
    ///
    /// # Errors
    /// `Conflict` when the environment's revision moved meanwhile (assess again), `Fenced` when the claim was lost.
    async fn commit(&self, claim: &Claim, assessment: Assessment) -> PortResult<()>;

    /// Writes outcomes of deliveries that led to no decision about any environment.
    async fn resolve(&self, claim: &Claim, deliveries: &[(DeliveryId, String)]) -> PortResult<()>;

    /// One stored delivery.
    async fn delivery(&self, id: &DeliveryId) -> PortResult<Option<Delivery>>;

    /// A stored delivery's body as it came; `None` when it was pruned.
    async fn delivery_body(&self, id: &DeliveryId) -> PortResult<Option<Vec<u8>>>;

    /// Decisions that a delivery led to.
    async fn decisions_of_delivery(&self, id: &DeliveryId) -> PortResult<Vec<DecisionRecord>>;

    /// The newest decisions about an environment, newest first.
    async fn decisions_of_environment(
        &self,
        environment: crate::domain::environment::EnvironmentId,
        limit: i64,
    ) -> PortResult<Vec<DecisionRecord>>;
}
