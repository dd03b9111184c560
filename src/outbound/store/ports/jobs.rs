//! The queue's port: claims, heartbeats and lists. How jobs end is in `endings`, how they begin in `insert`.

use std::time::Duration;

use async_trait::async_trait;

use super::super::database::{query, scalar};
use super::super::rows::{JobRow, PAYLOAD_VERSION};
use super::super::sql::{self, select_job};
use super::insert::{end_job, insert_job};
use super::{Store, Tx, commit, failed, millis, touch_report};
use crate::domain::environment::EnvironmentId;
use crate::domain::error::PortResult;
use crate::domain::event::NewDelivery;
use crate::domain::job::{Claim, Job, JobEnd, JobId, JobState, NewJob};
use crate::domain::ports::{Accepted, ClaimedJob, Heartbeat, JobFilter, JobQueue, Room};

const NO_SLOT: &str = "all worker slots are busy";
const DEFAULT_LIMIT: i64 = 100;

#[async_trait]
impl JobQueue for Store {
    async fn accept(&self, delivery: NewDelivery) -> PortResult<Accepted> {
        self.accept_delivery(delivery).await
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> PortResult<Vec<JobId>> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let mut ids = Vec::with_capacity(jobs.len());
        for job in jobs {
            ids.push(insert_job(&mut tx, now, job, "superseded by a newer job").await?);
        }
        commit(tx).await?;
        self.tell_all();
        Ok(ids)
    }

    async fn claim(&self, owner: &str, lease: Duration, room: Room) -> PortResult<Option<ClaimedJob>> {
        let now = self.now();
        let until = now.saturating_add(millis(lease));
        // An idle worker asks often; only what is there to be written is worth the write lock.
        while self.claim_has_work(now, room).await? {
            let mut tx = self.begin().await?;
            let Some(id) = take(&mut tx, now, room, (owner, until)).await? else {
                let waiting = mark_waiting(&mut tx, now, room).await?;
                if waiting > 0 {
                    commit(tx).await?;
                    self.tell_reports();
                }
                return Ok(None);
            };
            if !room.environments {
                mark_waiting(&mut tx, now, room).await?;
            }
            let claimed = claimed(&mut tx, now, id).await?;
            commit(tx).await?;
            self.tell_reports();
            // A job that cannot be read was ended; the next one is looked for.
            if claimed.is_some() {
                return Ok(claimed);
            }
        }
        Ok(None)
    }

    async fn heartbeat(&self, claim: &Claim, lease: Duration) -> PortResult<Heartbeat> {
        let until = self.now().saturating_add(millis(lease));
        let mut tx = self.begin().await?;
        let held: Option<Option<String>> = scalar(
            "UPDATE jobs SET lease_until = $1 WHERE id = $2 AND owner = $3 AND attempt = $4 AND state = 'running' \
             RETURNING cancel_reason",
        )
        .bind(until)
        .bind(claim.job.0)
        .bind(&claim.owner)
        .bind(claim.attempt)
        .fetch_optional(&mut tx)
        .await
        .map_err(failed("extend a lease"))?;
        commit(tx).await?;
        Ok(match held {
            None => Heartbeat::Lost,
            Some(None) => Heartbeat::Held,
            Some(Some(reason)) => Heartbeat::CancelRequested(reason),
        })
    }

    async fn finish(&self, claim: &Claim, end: JobEnd, follow_ups: &[NewJob]) -> PortResult<()> {
        self.finish_job(claim, end, follow_ups).await
    }

    async fn rescue(&self, owner: &str, all_of_other_owners: bool) -> PortResult<Vec<JobId>> {
        self.rescue_jobs(owner, all_of_other_owners).await
    }

    async fn cancel(&self, job: JobId, reason: &str) -> PortResult<()> {
        self.cancel_job(job, reason).await
    }

    async fn list(&self, filter: &JobFilter) -> PortResult<Vec<Job>> {
        let mut states: String = filter.states.iter().flat_map(|state| [",", state.as_str()]).collect();
        if !states.is_empty() {
            states.push(',');
        }
        let limit = if filter.limit > 0 { filter.limit } else { DEFAULT_LIMIT };
        let rows: Vec<JobRow> = query(select_job!(
            "WHERE ($1 = '' OR $1 LIKE '%,' || j.state || ',%') AND ($2 IS NULL OR e.name = $2) \
             ORDER BY j.id DESC LIMIT $3"
        ))
        .bind(states)
        .bind(&filter.environment)
        .bind(limit)
        .fetch_all(self.reader())
        .await
        .map_err(failed("list jobs"))?;
        Ok(rows.into_iter().filter_map(readable).collect())
    }

    async fn get(&self, job: JobId) -> PortResult<Option<Job>> {
        let row: Option<JobRow> =
            query(sql::JOB_BY_ID).bind(job.0).fetch_optional(self.reader()).await.map_err(failed("read a job"))?;
        row.map(JobRow::job).transpose()
    }

    async fn next_run_at(&self) -> PortResult<Option<i64>> {
        scalar("SELECT min(run_at) FROM jobs WHERE state IN ('queued', 'waiting') AND run_at > $1")
            .bind(self.now())
            .fetch_one(self.reader())
            .await
            .map_err(failed("look when the next job is due"))
    }

    async fn woken(&self) {
        self.inner.news.queue.heard().await;
    }
}

/// A row that this version cannot read (a newer one made it) is left out of lists, not an end to them.
fn readable(row: JobRow) -> Option<Job> {
    let id = row.id;
    row.job().inspect_err(|error| tracing::warn!(job.id = id, error = error.chain(), "job left out")).ok()
}

impl Store {
    async fn claim_has_work(&self, now: i64, room: Room) -> PortResult<bool> {
        scalar(sql::CLAIM_HAS_WORK)
            .bind(now)
            .bind(PAYLOAD_VERSION)
            .bind(room.environments)
            .bind(room.quick)
            .fetch_one(self.reader())
            .await
            .map_err(failed("look for a job"))
    }
}

async fn take(tx: &mut Tx, now: i64, room: Room, (owner, until): (&str, i64)) -> PortResult<Option<i64>> {
    scalar(sql::CLAIM)
        .bind(now)
        .bind(PAYLOAD_VERSION)
        .bind(room.environments)
        .bind(room.quick)
        .bind(owner)
        .bind(until)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("claim a job"))
}

/// Says why jobs wait that could otherwise run, and returns how many newly do.
async fn mark_waiting(tx: &mut Tx, now: i64, room: Room) -> PortResult<u64> {
    let mut marked = 0;
    if !room.environments {
        let wait = query(sql::WAIT_FOR_SLOT).bind(now).bind(NO_SLOT);
        marked += wait.execute(&mut *tx).await.map_err(failed("let jobs wait"))?;
    }
    let why = format!("it was made by a newer previewbot (this one knows job format {PAYLOAD_VERSION}): upgrade");
    let wait = query(sql::WAIT_FOR_VERSION).bind(why).bind(PAYLOAD_VERSION);
    marked += wait.execute(&mut *tx).await.map_err(failed("let jobs wait"))?;
    Ok(marked)
}

/// The claimed row with its fence; `None` when it cannot be read, which ends it.
pub(super) async fn claimed(tx: &mut Tx, now: i64, id: i64) -> PortResult<Option<ClaimedJob>> {
    let row: JobRow =
        query(sql::JOB_BY_ID).bind(id).fetch_one(&mut *tx).await.map_err(failed("read a claimed job"))?;
    let owner = row.owner.clone().unwrap_or_default();
    let (claims, environment) = (row.claims, row.environment_id.filter(|_| row.touches));
    let mut epoch = 0;
    if let Some(environment) = environment {
        epoch = raise_epoch(tx, environment).await?;
        touch_report(tx, now, environment).await?;
    }
    match row.job() {
        Ok(job) => {
            let environment = environment.map(EnvironmentId);
            let claim = Claim { job: job.id, environment, epoch, owner, attempt: job.attempt, claims };
            Ok(Some(ClaimedJob { job, claim }))
        }
        Err(error) => {
            end_job(tx, now, id, JobState::Failed, &error.chain()).await?;
            Ok(None)
        }
    }
}

/// Raises the fence: whoever held the environment before can no longer write.
pub(super) async fn raise_epoch(tx: &mut Tx, environment: i64) -> PortResult<i64> {
    scalar("UPDATE environments SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch")
        .bind(environment)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("raise an epoch"))
}
