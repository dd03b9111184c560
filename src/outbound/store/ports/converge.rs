//! One decision applied: desired and its generation, the jobs that follow, what they replace and what they cancel.

use super::super::database::query;
use super::endings::request_cancel;
use super::insert::{end_job, insert_job};
use super::{Store, Tx, failed};
use crate::domain::decision::{Decision, DesiredChange};
use crate::domain::environment::{Cause, Desired, Environment, Failure};
use crate::domain::error::PortResult;
use crate::domain::job::{JobState, NewJob, Work};

/// After so many cancellations in a row by pushes the running deploy may finish (and publish what it deployed, or
/// steady pushing would still starve the preview).
const MAX_PUSH_CANCELLATIONS: i64 = 3;

impl Store {
    /// Applies `decision` to the row in hand and to the jobs in the database.
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        now: i64,
        environment: &mut Environment,
        decision: &Decision,
    ) -> PortResult<()> {
        let generation = environment.generation;
        if let Some(approval) = &decision.approval {
            environment.approval = Some(approval.clone());
        }
        if let Some(change) = &decision.desired {
            set_desired(environment, change, decision, now);
        }
        if decision.cancels {
            give_up(tx, now, environment, &decision.reason).await?;
        }
        if let Some(longer) = decision.keep_ms {
            let until = environment.kept_until.unwrap_or(now).max(now.saturating_add(longer));
            environment.kept_until = Some(until);
            environment.expires_at = environment.expires_at.map(|expires| expires.max(until));
        }
        let wanted_anew = environment.generation > generation || decision.work.iter().any(Work::converges);
        if wanted_anew && matches!(environment.desired, Desired::Running { .. }) {
            // Already now, not when it is ready: what never becomes ready must not live for ever.
            environment.expires_at = self.expiry(now, environment.terms.ttl_ms, environment.kept_until);
        }
        add_jobs(tx, now, environment, decision).await
    }

    /// When what is wanted or published now has lived its time; never where lives are not limited.
    /// `ttl`: as the project's policy says; `kept`: as somebody asked.
    pub(super) fn expiry(&self, now: i64, ttl: Option<i64>, kept: Option<i64>) -> Option<i64> {
        let ttl = ttl.unwrap_or(self.inner.ttl_ms);
        (ttl > 0).then(|| now.saturating_add(ttl).max(kept.unwrap_or(now)))
    }
}

/// Ends what waits and asks what runs to stop. What takes down or stops goes on: half of that is worse than all of it.
async fn give_up(tx: &mut Tx, now: i64, environment: &mut Environment, because: &str) -> PortResult<()> {
    let open: Vec<(i64, String)> = query(
        "SELECT id, state FROM jobs WHERE environment_id = $1 AND state IN ('queued', 'waiting', 'running') \
         AND kind IN ('deploy', 'start', 'reset', 'logs')",
    )
    .bind(environment.id.0)
    .fetch_all(&mut *tx)
    .await
    .map_err(failed("look for jobs to give up"))?;
    for (id, state) in &open {
        if state == JobState::Running.as_str() {
            request_cancel(tx, *id, because).await?;
        } else {
            end_job(tx, now, *id, JobState::Cancelled, because).await?;
        }
    }
    if !open.is_empty() {
        environment.failure = Some(Failure::cancelled(because.to_owned()));
    }
    Ok(())
}

async fn add_jobs(tx: &mut Tx, now: i64, environment: &mut Environment, decision: &Decision) -> PortResult<()> {
    let because = superseded_by(environment);
    for work in &decision.work {
        if work.converges() {
            stop_older(tx, environment, work, &because).await?;
        }
        let about_it = work.touches_environment() || matches!(work, Work::Reply(_));
        let job = NewJob {
            work: work.clone(),
            environment: about_it.then_some(environment.id),
            generation: about_it.then_some(environment.generation),
            comment: decision.comment,
            reason: decision.reason.clone(),
        };
        insert_job(tx, now, &job, &because).await?;
    }
    for reply in &decision.replies {
        let job = NewJob {
            work: Work::Reply(reply.clone()),
            environment: Some(environment.id),
            generation: Some(environment.generation),
            comment: decision.comment,
            reason: decision.reason.clone(),
        };
        insert_job(tx, now, &job, &because).await?;
    }
    Ok(())
}

fn set_desired(environment: &mut Environment, change: &DesiredChange, decision: &Decision, now: i64) {
    let converges = decision.work.iter().any(Work::converges);
    let wants_it = matches!(change.desired, Desired::Running { .. });
    let trust_moved = wants_it && environment.trust != change.trust;
    let said_otherwise = environment.cause != change.cause || environment.sticky != change.sticky;
    // Who wants the same for another reason, and orders no work, must not take a running job's right to publish.
    let raise = environment.desired != change.desired
        || trust_moved
        || (converges && (said_otherwise || change.cause == Cause::Command));
    if raise {
        environment.generation += 1;
    }
    if wants_it {
        environment.trust = change.trust;
        if raise || converges {
            environment.failure = None;
        }
        if environment.destroyed_at.take().is_some() {
            environment.created_at = now;
        }
    }
    environment.desired = change.desired.clone();
    environment.cause = change.cause;
    environment.actor.clone_from(&decision.actor);
    environment.sticky = change.sticky;
    environment.reason.clone_from(&decision.reason);
}

/// Why an older job makes way, in words for its check and its row.
fn superseded_by(environment: &Environment) -> String {
    match &environment.desired {
        Desired::Running { commit } => format!("superseded by {}", commit.short()),
        Desired::Stopped => format!("superseded: {}", environment.reason),
        Desired::Absent => format!("superseded by destroy: {}", environment.reason),
    }
}

/// Asks running jobs that the new work makes needless to stop. A destroy is never cancelled: the new job waits for it.
async fn stop_older(tx: &mut Tx, environment: &mut Environment, work: &Work, because: &str) -> PortResult<()> {
    let running: Vec<(i64, String, i64)> = query(
        "SELECT id, kind, coalesce(generation, 0) FROM jobs WHERE environment_id = $1 AND state = 'running' \
         AND cancel_reason IS NULL AND kind <> 'destroy' AND (converges OR (kind = 'reset' AND $2))",
    )
    .bind(environment.id.0)
    .bind(*work == Work::Destroy)
    .fetch_all(&mut *tx)
    .await
    .map_err(failed("look for running jobs"))?;
    for (id, kind, generation) in running {
        if kind != "reset" && generation >= environment.generation {
            continue;
        }
        let pushed = environment.cause == Cause::Change && kind == "deploy";
        if pushed && environment.push_cancellations >= MAX_PUSH_CANCELLATIONS {
            spare(tx, id).await?;
            continue;
        }
        environment.push_cancellations += i64::from(pushed);
        request_cancel(tx, id, because).await?;
    }
    Ok(())
}

async fn spare(tx: &mut Tx, id: i64) -> PortResult<()> {
    let spare = query("UPDATE jobs SET spared = true WHERE id = $1").bind(id);
    spare.execute(&mut *tx).await.map(drop).map_err(failed("spare a deploy"))
}
