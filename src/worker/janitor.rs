//! Periodic tidying: jobs of dead workers, previews past their time, history past its use.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::error::PortResult;
use crate::domain::ports::{Clock, Housekeeping, JobQueue};

const ROUNDS_PER_MINUTE: u32 = 12;
const ROUNDS_PER_PRUNE: u32 = 720;
/// What one process of several does.
const DUTY: &str = "tidying";
/// How long after its last round another takes it over, in ms: three rounds.
const DUTY_MS: i64 = 15_000;

/// Does what nobody asked for but everybody expects.
pub struct Janitor {
    queue: Arc<dyn JobQueue>,
    housekeeping: Arc<dyn Housekeeping>,
    clock: Arc<dyn Clock>,
    owner: String,
    keep: Duration,
}

impl Janitor {
    /// A janitor for the worker called `owner` that keeps ended jobs and payloads for `keep`.
    #[must_use]
    pub fn new(
        queue: Arc<dyn JobQueue>,
        housekeeping: Arc<dyn Housekeeping>,
        clock: Arc<dyn Clock>,
        owner: String,
        keep: Duration,
    ) -> Self {
        Self { queue, housekeeping, clock, owner, keep }
    }

    /// Tidies every five seconds (what was given up every minute, history every hour) until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        const ROUND: Duration = Duration::from_secs(5);
        let mut round: u32 = 0;
        while !stop.is_cancelled() {
            match self.turn(round).await {
                Ok(true) => round = round.wrapping_add(1),
                Ok(false) => round = 0,
                Err(error) => tracing::error!(error = %error.chain(), "tidying failed"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(ROUND) => {}
            }
        }
    }

    /// One round, counted from 0 since this process has the duty; the first does everything. Whether it has the duty:
    /// else it only takes up jobs of dead workers, since it may be the dead one's that has it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn turn(&self, round: u32) -> PortResult<bool> {
        for job in self.queue.rescue(&self.owner, false).await? {
            tracing::warn!(job.id = job.0, "the job's worker is gone; it runs again");
        }
        // All of it is harmless when two do it, and only waste.
        if !self.housekeeping.take_duty(DUTY, &self.owner, DUTY_MS).await? {
            return Ok(false);
        }
        for environment in self.housekeeping.expire().await? {
            tracing::info!(environment = environment.0, "the preview lived its time and is destroyed");
        }
        if round.is_multiple_of(ROUNDS_PER_MINUTE) {
            self.take_up().await?;
        }
        // After what was given up is taken up: what waits for a job is not history.
        if round.is_multiple_of(ROUNDS_PER_PRUNE) {
            let keep = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
            self.housekeeping.prune(self.clock.now_ms().saturating_sub(keep)).await?;
        }
        Ok(true)
    }

    async fn take_up(&self) -> PortResult<()> {
        for environment in self.housekeeping.revive().await? {
            tracing::warn!(environment = environment.0, "an earlier destroy was not completed; it is tried again");
        }
        let count = self.housekeeping.take_up_neglected().await?;
        if count > 0 {
            tracing::warn!(count, "changes with deliveries that were not assessed are assessed again");
        }
        Ok(())
    }
}
