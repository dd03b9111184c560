//! When work happens: jobs are claimed, held by a lease, run, and finished.
//!
//! The claim is a short transaction; nothing stays open while a job runs. A worker that loses its lease drops the
//! job where it stands: whoever claims it next raises the environment's epoch, and nothing of ours counts any more.

pub mod assess;
pub mod converge;
pub mod disk_guard;
pub mod janitor;
pub(crate) mod lease;
pub mod replies;
pub mod reporter;
pub mod run;
pub mod watcher;
pub mod workshop;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument as _;

use crate::domain::error::{ErrorKind, PortResult};
use crate::domain::job::{JobEnd, NewJob};
use crate::domain::ports::{ClaimedJob, Clock, JobQueue, Room};

/// Assessments and replies that may run beside the deploys.
const QUICK_SLOTS: usize = 8;

/// What running a job led to.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub end: JobEnd,
    /// Jobs that follow from it, written together with its end.
    pub follow_ups: Vec<NewJob>,
}

impl From<JobEnd> for Ran {
    fn from(end: JobEnd) -> Self {
        Self { end, follow_ups: Vec::new() }
    }
}

/// Why a running job was asked to stop; empty until it was.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    /// Cancelled when the job is to stop.
    pub token: CancellationToken,
    reason: Arc<std::sync::OnceLock<String>>,
}

impl Cancel {
    /// Asks the job to stop.
    pub fn request(&self, reason: String) {
        // A second reason comes too late to matter.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Why it was asked to stop.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason.get().map_or("asked to stop", String::as_str)
    }
}

/// Turns a claimed job into deeds.
#[async_trait]
pub trait RunJob: Send + Sync {
    /// Runs one job to its end.
    async fn run(&self, claimed: &ClaimedJob, cancel: &Cancel) -> Ran;
}

/// How a worker takes work.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Unique per process start.
    pub owner: String,
    /// Environments worked on at the same time.
    pub concurrency: usize,
    /// How long a claim holds without a heartbeat.
    pub lease: Duration,
    /// How often to look when nothing wakes the worker.
    pub poll: Duration,
    /// How long running jobs may go on after the worker was asked to end.
    pub drain: Duration,
}

/// Claims jobs and runs them.
pub struct Worker {
    queue: Arc<dyn JobQueue>,
    runner: Arc<dyn RunJob>,
    clock: Arc<dyn Clock>,
    options: WorkerOptions,
    environment_slots: Arc<Semaphore>,
    quick_slots: Arc<Semaphore>,
    slot_freed: Notify,
    give_back: CancellationToken,
}

impl Worker {
    /// A worker that has not begun.
    #[must_use]
    pub fn new(
        queue: Arc<dyn JobQueue>,
        runner: Arc<dyn RunJob>,
        clock: Arc<dyn Clock>,
        options: WorkerOptions,
    ) -> Arc<Self> {
        Arc::new(Self {
            environment_slots: Arc::new(Semaphore::new(options.concurrency)),
            quick_slots: Arc::new(Semaphore::new(QUICK_SLOTS)),
            slot_freed: Notify::new(),
            give_back: CancellationToken::new(),
            queue,
            runner,
            clock,
            options,
        })
    }

    /// Works until `stop`; then running jobs get the drain time to end, and the others are given back.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        while !stop.is_cancelled() {
            if self.take_one(&tasks).await {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.queue.woken() => {}
                () = self.slot_freed.notified() => {}
                () = self.clock.sleep(self.options.poll) => {}
            }
        }
        tasks.close();
        tokio::select! {
            () = tasks.wait() => {}
            () = self.clock.sleep(self.options.drain) => {
                self.give_back.cancel();
                tasks.wait().await;
            }
        }
    }

    /// Runs every job that is ready now, one after the other, and returns how many there were.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub async fn run_ready(self: &Arc<Self>) -> PortResult<usize> {
        let mut count = 0;
        while let Some(claimed) = self.queue.claim(&self.options.owner, self.options.lease, Room::ALL).await? {
            self.clone().work(claimed).await;
            count += 1;
        }
        Ok(count)
    }

    /// Claims and starts one job; false when there was none to start.
    async fn take_one(self: &Arc<Self>, tasks: &TaskTracker) -> bool {
        let quick = self.quick_slots.clone().try_acquire_owned().ok();
        let environment = self.environment_slots.clone().try_acquire_owned().ok();
        let room = Room { quick: quick.is_some(), environments: environment.is_some() };
        match self.queue.claim(&self.options.owner, self.options.lease, room).await {
            Ok(Some(claimed)) => {
                let touches = claimed.job.work.touches_environment();
                let slot = if touches { environment } else { quick };
                tasks.spawn(self.clone().work_in_slot(claimed, slot));
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::error!(error = %error.chain(), "the queue cannot be asked for work");
                false
            }
        }
    }

    async fn work_in_slot(self: Arc<Self>, claimed: ClaimedJob, slot: Option<OwnedSemaphorePermit>) {
        self.clone().work(claimed).await;
        drop(slot);
        self.slot_freed.notify_one();
    }

    async fn work(self: Arc<Self>, claimed: ClaimedJob) {
        let span = tracing::info_span!(
            "job",
            job.id = claimed.job.id.0,
            job.kind = claimed.job.work.kind(),
            env = claimed.job.environment.as_deref().unwrap_or_default(),
            attempt = claimed.job.attempt,
        );
        self.work_in_span(claimed).instrument(span).await;
    }

    async fn work_in_span(&self, claimed: ClaimedJob) {
        let cancel = Cancel::default();
        // A task of its own: a job that holds its thread up must not keep the heart from beating.
        let holding = lease::hold(
            self.queue.clone(),
            self.clock.clone(),
            claimed.claim.clone(),
            self.options.lease,
            cancel.clone(),
        );
        let holding = AbortOnDropHandle::new(tokio::spawn(holding.in_current_span()));
        let running = AssertUnwindSafe(self.runner.run(&claimed, &cancel)).catch_unwind();
        let ran = tokio::select! {
            ran = running => ran.unwrap_or_else(|_| {
                let reason = "the bot failed inside while working on this; its log has the details".to_owned();
                JobEnd::Retry { reason, after: None }.into()
            }),
            lost = holding => {
                let reason = lost.unwrap_or("the heartbeat failed inside");
                tracing::warn!(reason, "the lease is lost; the job is left to whoever holds it now");
                return;
            }
            () = self.give_back.cancelled() => JobEnd::GivenBack.into(),
        };
        tracing::info!(end = ?ran.end, "job ended");
        match self.queue.finish(&claimed.claim, ran.end, &ran.follow_ups).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Fenced => {
                tracing::warn!("the job ended after its lease was lost; its result is dropped");
            }
            Err(error) => tracing::error!(error = %error.chain(), "the end of the job cannot be stored"),
        }
    }
}
