use std::time::Duration;

use async_trait::async_trait;

use crate::domain::error::PortResult;
use crate::domain::event::NewDelivery;
use crate::domain::job::{Claim, Job, JobEnd, JobId, JobState, NewJob};

/// What became of a delivery that was handed to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Stored, with its assess job where it asks for one.
    New,
    /// Seen before; nothing was stored.
    Duplicate,
}

/// A job that this worker has now.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    /// The row.
    pub job: Job,
    /// The lease and the fence.
    pub claim: Claim,
}

/// Which kinds of jobs a worker has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Assessments and replies.
    pub quick: bool,
    /// Jobs that touch an environment.
    pub environments: bool,
}

impl Room {
    /// Room for every kind.
    pub const ALL: Self = Self { quick: true, environments: true };
}

/// What a heartbeat heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heartbeat {
    /// Go on.
    Held,
    /// Somebody asked the job to stop: why.
    CancelRequested(String),
    /// The lease is no longer ours; nothing more may be changed.
    Lost,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only these states; empty = all.
    pub states: Vec<JobState>,
    /// Only of this environment name.
    pub environment: Option<String>,
    /// At most this many, newest first; 0 = 100.
    pub limit: i64,
}

/// The queue. Every rule of it is kept by the database, not by care.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Stores a delivery and, where it is an event, one coalesced assess job, in one transaction.
    async fn accept(&self, delivery: NewDelivery) -> PortResult<Accepted>;

    /// Adds jobs; a waiting assess job of the same subject serves for the new one.
    async fn enqueue(&self, jobs: &[NewJob]) -> PortResult<Vec<JobId>>;

    /// Takes the next ready job: highest priority between environments, arrival order within one. Jobs whose
    /// serial key runs already are passed over. Only kinds that have room are taken; environment jobs for which
    /// there is none become `waiting`.
    async fn claim(&self, owner: &str, lease: Duration, room: Room) -> PortResult<Option<ClaimedJob>>;

    /// Extends the lease and hears whether to stop.
    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> PortResult<Heartbeat>;

    /// Ends the job (or puts it back) and adds what follows from it, in one transaction.
    ///
    /// # Errors
    /// `Fenced` when the claim was lost: nothing was changed.
    async fn finish(&self, claim: &Claim, end: JobEnd, follow_ups: &[NewJob]) -> PortResult<()>;

    /// Puts jobs with expired leases back (or to `dead` after three crashes). With `all_of_other_owners`, also those
    /// whose lease still runs but whose owner is not this one (a `SQLite` bot starting up is the only process).
    async fn rescue(&self, owner: &str, all_of_other_owners: bool) -> PortResult<Vec<JobId>>;

    /// Asks a job to stop: a waiting one ends at once, a running one is told by its heartbeat.
    async fn cancel(&self, job: JobId, reason: &str) -> PortResult<()>;

    /// Jobs, newest first.
    async fn list(&self, filter: &JobFilter) -> PortResult<Vec<Job>>;

    /// One job.
    async fn get(&self, job: JobId) -> PortResult<Option<Job>>;

    /// When the next job that is not ready yet becomes so, ms since the epoch.
    async fn next_run_at(&self) -> PortResult<Option<i64>>;

    /// Returns when something may have become ready, or when the caller stops waiting.
    async fn woken(&self);
}
