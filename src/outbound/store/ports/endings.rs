//! How jobs end, go back to the queue, are rescued and are cancelled.

use super::super::database::{Json, query, scalar};
use super::super::rows::JobRow;
use super::super::sql::{self, select_job};
use super::insert::{end_job, insert_job};
use super::jobs::raise_epoch;
use super::{Store, Tx, check_claim, commit, failed, millis, touch_report};
use crate::domain::environment::Failure;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::{Claim, JobEnd, JobId, JobState, NewJob, backoff};

/// Deaths of workers after which a job is not tried again.
const MAX_CRASHES: i64 = 3;

/// Most that chance adds to a wait, as a part of it, so that what failed together is not tried together.
const JITTER: f64 = 0.2;

/// What becomes of a job that goes back.
struct Requeue<'a> {
    run_at: i64,
    attempt: i64,
    crashes: i64,
    reason: Option<&'a str>,
}

impl Store {
    pub(super) async fn finish_job(&self, claim: &Claim, end: JobEnd, follow_ups: &[NewJob]) -> PortResult<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        check_claim(&mut tx, claim).await?;
        let row = job_row(&mut tx, claim.job.0).await?;
        self.apply_end(&mut tx, now, &row, end).await?;
        if let Some(environment) = row.environment_id {
            touch_report(&mut tx, now, environment).await?;
        }
        for job in follow_ups {
            insert_job(&mut tx, now, job, "superseded by a newer job").await?;
        }
        commit(tx).await?;
        self.tell_all();
        Ok(())
    }

    async fn apply_end(&self, tx: &mut Tx, now: i64, row: &JobRow, end: JobEnd) -> PortResult<()> {
        match end {
            JobEnd::Succeeded { reason } => ended_by_itself(tx, now, row, JobState::Succeeded, &reason).await,
            JobEnd::Failed { reason } => ended_by_itself(tx, now, row, JobState::Failed, &reason).await,
            JobEnd::Cancelled { reason } => end_job(tx, now, row.id, JobState::Cancelled, &reason).await,
            JobEnd::Retry { reason, after: _ }
                if row.cancel_reason.is_none() && row.attempt >= row.max_attempts =>
            {
                ended_by_itself(tx, now, row, JobState::Failed, &reason).await
            }
            JobEnd::Retry { reason, after } => {
                let wait = millis(after.unwrap_or_else(|| backoff(row.attempt)));
                let run_at = now.saturating_add(self.jittered(wait));
                let (attempt, crashes) = (row.attempt, row.crashes);
                put_back(tx, now, row, Requeue { run_at, attempt, crashes, reason: Some(&reason) }).await
            }
            JobEnd::Wait { reason, after } => {
                let run_at = now.saturating_add(self.jittered(millis(after)));
                let (attempt, crashes) = (row.attempt - 1, row.crashes);
                put_back(tx, now, row, Requeue { run_at, attempt, crashes, reason: None }).await?;
                wait(tx, row.id, &reason).await
            }
            JobEnd::GivenBack => {
                let attempt = row.attempt - 1;
                put_back(tx, now, row, Requeue { run_at: now, attempt, crashes: row.crashes, reason: None }).await
            }
        }
    }

    /// The wait, lengthened by chance.
    fn jittered(&self, wait: i64) -> i64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a fifth of at most days"
        )]
        let more = (wait as f64 * JITTER * self.inner.random.fraction()) as i64;
        wait.saturating_add(more)
    }

    pub(super) async fn rescue_jobs(&self, owner: &str, all_of_other_owners: bool) -> PortResult<Vec<JobId>> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let lost: Vec<JobRow> = query(select_job!(
            "WHERE j.state = 'running' AND (j.lease_until <= $1 \
             OR ($2 AND j.kind <> 'terminal' AND substr(j.owner, 1, length($3) + 1) <> $3 || '#')) ORDER BY j.id"
        ))
        .bind(now)
        .bind(all_of_other_owners)
        .bind(owner)
        .fetch_all(&mut tx)
        .await
        .map_err(failed("look for lost jobs"))?;
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        for row in &lost {
            rescue(&mut tx, now, row).await?;
        }
        commit(tx).await?;
        self.tell_all();
        Ok(lost.into_iter().map(|row| JobId(row.id)).collect())
    }

    pub(super) async fn cancel_job(&self, job: JobId, reason: &str) -> PortResult<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let row = job_row(&mut tx, job.0).await?;
        if row.owner.is_some() {
            request_cancel(&mut tx, job.0, reason).await?;
        } else {
            query(
                "UPDATE jobs SET state = 'cancelled', reason = $1, wait_reason = NULL, finished_at = $2 \
                 WHERE id = $3 AND state IN ('queued', 'waiting')",
            )
            .bind(reason)
            .bind(now)
            .bind(job.0)
            .execute(&mut tx)
            .await
            .map_err(failed("cancel a job"))?;
        }
        if let Some(environment) = row.environment_id {
            touch_report(&mut tx, now, environment).await?;
        }
        commit(tx).await?;
        self.tell_all();
        Ok(())
    }
}

/// Says what a job that was put back waits for. One that was ended instead is left alone.
async fn wait(tx: &mut Tx, job: i64, reason: &str) -> PortResult<()> {
    query("UPDATE jobs SET state = 'waiting', wait_reason = $1 WHERE id = $2 AND state = 'queued'")
        .bind(reason)
        .bind(job)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(failed("let a job wait"))
}

/// Tells a running job, by its next heartbeat, to stop. The first reason stays.
pub(super) async fn request_cancel(tx: &mut Tx, job: i64, reason: &str) -> PortResult<()> {
    query("UPDATE jobs SET cancel_reason = coalesce(cancel_reason, $1) WHERE id = $2 AND state = 'running'")
        .bind(reason)
        .bind(job)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(failed("ask a job to stop"))
}

async fn job_row(tx: &mut Tx, id: i64) -> PortResult<JobRow> {
    let row: Option<JobRow> =
        query(sql::JOB_BY_ID).bind(id).fetch_optional(&mut *tx).await.map_err(failed("read a job"))?;
    row.ok_or_else(|| PortError::new(ErrorKind::NotFound, format!("there is no job {id}")))
}

/// Nobody may take for published what a destroy has begun to remove: the next job may be a deploy that fails.
async fn unpublish_half_destroyed(tx: &mut Tx, now: i64, row: &JobRow) -> PortResult<()> {
    if row.kind != "destroy" {
        return Ok(());
    }
    query(
        "UPDATE environments SET published = NULL, urls = '[]', revision = revision + 1, updated_at = $1 \
         WHERE id = $2 AND published IS NOT NULL",
    )
    .bind(now)
    .bind(row.environment_id)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("take a half-destroyed environment back"))
}

/// A deploy that ends by itself ends the row of cancellations by pushes.
async fn ended_by_itself(tx: &mut Tx, now: i64, row: &JobRow, state: JobState, reason: &str) -> PortResult<()> {
    if let (Some(environment), "deploy") = (row.environment_id, row.kind.as_str()) {
        query("UPDATE environments SET push_cancellations = 0 WHERE id = $1 AND push_cancellations > 0")
            .bind(environment)
            .execute(&mut *tx)
            .await
            .map_err(failed("reset a counter"))?;
    }
    if state == JobState::Failed {
        tell_deliveries(tx, row, reason).await?;
        unpublish_half_destroyed(tx, now, row).await?;
    }
    end_job(tx, now, row.id, state, reason).await
}

/// An order that a given-up assessment was told of gets that for an answer, and no later assessment obeys it: it must
/// not come true days after it was given. Where the next assessment waits already, it is left to that one. What only
/// hints at the change, a close for one, stays open until somebody looks.
async fn tell_deliveries(tx: &mut Tx, row: &JobRow, reason: &str) -> PortResult<()> {
    let Some(subject) = row.serial_key.as_deref().and_then(|key| key.strip_prefix("assess:")) else {
        return Ok(());
    };
    if serves_for(tx, row).await?.is_some() {
        return Ok(());
    }
    query(
        "UPDATE deliveries SET outcome = $1 WHERE subject_key = $2 AND outcome IS NULL \
         AND event LIKE '%\"kind\":\"commented\"%'",
    )
    .bind(format!("given up: {reason}"))
    .bind(subject)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("record what came of a delivery"))
}

/// Back to the queue, unless it was asked to stop or a newer job of its kind waits already.
async fn put_back(tx: &mut Tx, now: i64, row: &JobRow, requeue: Requeue<'_>) -> PortResult<()> {
    unpublish_half_destroyed(tx, now, row).await?;
    if let Some(newer) = serves_for(tx, row).await? {
        end_job(tx, now, row.id, JobState::Superseded, row.cancel_reason.as_deref().unwrap_or("superseded"))
            .await?;
        return query("UPDATE jobs SET superseded_by = $1 WHERE id = $2")
            .bind(newer)
            .bind(row.id)
            .execute(&mut *tx)
            .await
            .map(|_| ())
            .map_err(failed("supersede a job"));
    }
    if let Some(reason) = &row.cancel_reason {
        return end_job(tx, now, row.id, JobState::Cancelled, reason).await;
    }
    query(sql::REQUEUE_JOB)
        .bind(requeue.run_at)
        .bind(requeue.attempt)
        .bind(requeue.crashes)
        .bind(requeue.reason)
        .bind(row.id)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(failed("put a job back"))
}

/// The waiting job that does the same: a converging one of the environment, or an assessment of the subject.
async fn serves_for(tx: &mut Tx, row: &JobRow) -> PortResult<Option<i64>> {
    scalar(
        "SELECT id FROM jobs WHERE serial_key = $1 AND state IN ('queued', 'waiting') \
         AND ((kind = 'assess' AND $2 = 'assess') OR (converges AND $3)) \
         ORDER BY id DESC LIMIT 1",
    )
    .bind(&row.serial_key)
    .bind(&row.kind)
    .bind(row.converges)
    .fetch_optional(&mut *tx)
    .await
    .map_err(failed("look for a newer job"))
}

async fn rescue(tx: &mut Tx, now: i64, row: &JobRow) -> PortResult<()> {
    let environment = row.environment_id.filter(|_| row.touches);
    if let Some(environment) = environment {
        // The worker that is thought dead may only be slow: from here on it can write nothing.
        raise_epoch(tx, environment).await?;
        touch_report(tx, now, environment).await?;
    }
    let crashes = row.crashes + 1;
    if crashes < MAX_CRASHES {
        let attempt = row.attempt - 1;
        return put_back(tx, now, row, Requeue { run_at: now, attempt, crashes, reason: None }).await;
    }
    query("UPDATE jobs SET crashes = $1 WHERE id = $2")
        .bind(crashes)
        .bind(row.id)
        .execute(&mut *tx)
        .await
        .map_err(failed("count a crash"))?;
    let reason =
        format!("the bot died {crashes} times while it worked on this {}; it is not tried again", row.kind);
    if let Some(environment) = environment.filter(|_| row.cancel_reason.is_none()) {
        show_death(tx, now, environment, row, &reason).await?;
    }
    tell_deliveries(tx, row, &reason).await?;
    end_job(tx, now, row.id, JobState::Dead, &reason).await
}

/// Nobody is left to report a dead job's failure, so the queue does.
async fn show_death(tx: &mut Tx, now: i64, environment: i64, row: &JobRow, reason: &str) -> PortResult<()> {
    let failure = Failure {
        step: row.kind.clone(),
        message: format!("{reason} until somebody asks for it; see the bot's log for why it died"),
        exit_code: None,
        log_tail: Vec::new(),
        annotations: Vec::new(),
        left_behind: Vec::new(),
    };
    query(
        "UPDATE environments SET failure = $1, revision = revision + 1, updated_at = $2 \
         WHERE id = $3 AND generation = coalesce($4, generation)",
    )
    .bind(Json(failure))
    .bind(now)
    .bind(environment)
    .bind(row.generation)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("record a dead job"))
}
