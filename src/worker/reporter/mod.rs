//! The only writer to a change's page: compares what the forge should show with what was posted, and writes the
//! difference (design §9). Level-triggered: whatever happened in between, the latest wins.

mod checks;
mod comments;
mod deployments;
mod patience;
mod visit;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::domain::change::ForgeKind;
use crate::domain::error::{ErrorKind, PortResult};
use crate::domain::ports::{Clock, Environments, Forge, ReportLease, Reports};
use crate::domain::report::{Shown, Snapshot};
use crate::domain::wording;

use patience::Patience;
use visit::{Outcome, Visit};

/// The forges that are set up.
pub type Forges = BTreeMap<ForgeKind, Arc<dyn Forge>>;

/// How fast the reporter writes to one change's page.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two edits on the same change, in ms.
    pub between_edits_ms: i64,
    /// First wait when the forge does not work, in ms; it doubles from there.
    pub first_retry_ms: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { between_edits_ms: 5_000, first_retry_ms: 5_000 }
    }
}

/// What was queued a moment ago has mostly begun by then: one report tells both.
const SETTLE_MS: i64 = 500;

/// At most this long without looking, in case a wake-up was missed.
const LONGEST_WAIT_MS: i64 = 30_000;

/// At least this long between two looks, in case the clocks of bot and database differ.
const SHORTEST_WAIT_MS: i64 = 50;

/// Environments that are shown in one turn, and how many of them at the same time.
const PER_TURN: i64 = 50;
const AT_ONCE: usize = 4;

/// Shows on the forges what became of environments.
pub struct Reporter {
    reports: Arc<dyn Reports>,
    environments: Arc<dyn Environments>,
    forges: Forges,
    clock: Arc<dyn Clock>,
    holder: String,
    public_url: String,
    pace: Pace,
    patience: Patience,
}

impl Reporter {
    /// The reporter of the process called `holder`. `public_url` is how people reach the bot.
    #[must_use]
    pub fn new(
        reports: Arc<dyn Reports>,
        environments: Arc<dyn Environments>,
        forges: Forges,
        clock: Arc<dyn Clock>,
        (holder, public_url): (String, String),
    ) -> Self {
        let pace = Pace::default();
        let patience = Patience::new(pace.first_retry_ms);
        Self { reports, environments, forges, clock, holder, public_url, pace, patience }
    }

    /// The same at another pace.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace, patience: Patience::new(pace.first_retry_ms), ..self }
    }

    /// Shows what is due whenever something is, until `shutdown`. A call that is cut short by the end is found again
    /// by its intent at the next start.
    pub async fn run(self, shutdown: CancellationToken) {
        while let Some(turn) = shutdown.run_until_cancelled(self.turn()).await {
            let wait = match turn {
                Ok(0) => self.until_due().await,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(error = error.chain(), "reports could not be read or written; trying again");
                    self.pace.between_edits_ms
                }
            };
            let wait = Duration::from_millis(wait.unsigned_abs());
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.reports.woken() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Shows all environments that are due now; how many there were.
    ///
    /// # Errors
    /// When the store cannot be read or written. What a forge refuses is logged and tried again, and is no error.
    pub async fn turn(&self) -> PortResult<usize> {
        for environment in self.patience.over(self.clock.now_ms()) {
            self.reports.touch(environment).await?;
        }
        let due = self.reports.due(&self.holder, PER_TURN).await?;
        let count = due.len();
        let shown = futures_util::stream::iter(due)
            .map(|lease| self.show(lease))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        shown.into_iter().collect::<PortResult<()>>().map(|()| count)
    }

    async fn until_due(&self) -> i64 {
        let next = self.reports.next_due_at().await.ok().flatten();
        next.map_or(LONGEST_WAIT_MS, |at| (at - self.clock.now_ms()).clamp(SHORTEST_WAIT_MS, LONGEST_WAIT_MS))
    }

    async fn show(&self, lease: ReportLease) -> PortResult<()> {
        let (id, revision) = (lease.environment, lease.revision);
        let now = self.clock.now_ms();
        let Some(snapshot) = self.environments.snapshot(id).await? else {
            return self.reports.shown(&lease, revision, now).await;
        };
        let kind = snapshot.environment.project.repository.forge;
        let Some(forge) = self.forges.get(&kind) else {
            let why = format!("no {kind} is set up; name it in the settings");
            return self.reports.postpone(&lease, now + patience::REFUSED_MS, &why).await;
        };
        if just_queued(&snapshot, now) {
            return self.reports.shown(&lease, revision - 1, now + SETTLE_MS).await;
        }
        let posted = self.reports.posted(id).await?;
        let mut visit = Visit::new(forge.as_ref(), (self.reports.as_ref(), &lease), &snapshot, posted);
        let outcome = visit.write(&self.public_url, &self.patience, now).await;
        let now = self.clock.now_ms();
        match outcome {
            Outcome::Shown => {
                self.patience.reset(id);
                // What is held back stays news.
                let (pause, told) = match (visit.wrote(), visit.held()) {
                    (false, false) => (0, revision),
                    (true, false) => (self.pace.between_edits_ms, revision),
                    (_, true) => (self.pace.between_edits_ms, revision - 1),
                };
                self.reports.shown(&lease, told, now + pause).await
            }
            // What was not written is written by whoever has the lease.
            Outcome::Later(error) if error.kind() == ErrorKind::Fenced => {
                tracing::info!(environment = %snapshot.environment.name, "another process writes this report");
                Ok(())
            }
            Outcome::Later(error) => {
                let wait = self.patience.after(id, error.kind());
                let why = error.chain();
                tracing::warn!(environment = %snapshot.environment.name, error = why, wait_ms = wait, "report postponed");
                self.reports.postpone(&lease, now + wait, &why).await
            }
        }
    }
}

fn just_queued(snapshot: &Snapshot, now: i64) -> bool {
    let queued = matches!(wording::shown(snapshot), Shown::Queued(..));
    queued && snapshot.active_job().is_some_and(|job| (job.created_at..job.created_at + SETTLE_MS).contains(&now))
}
