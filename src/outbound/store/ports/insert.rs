//! Adding jobs inside a transaction: coalescing of assessments, superseding of what waits.

use super::super::database::{Json, query, scalar};
use super::super::rows::PAYLOAD_VERSION;
use super::super::sql;
use super::{Tx, failed, touch_report};
use crate::domain::change::Repository;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::{JobId, JobState, NewJob, Work};

/// Adds one job. What it replaces is `superseded`, with `because`.
pub(super) async fn insert_job(tx: &mut Tx, now: i64, job: &NewJob, because: &str) -> PortResult<JobId> {
    if job.work.touches_environment() && job.environment.is_none() {
        let message = format!("a {} job must name its environment", job.work.kind());
        return Err(PortError::new(ErrorKind::Invalid, message));
    }
    let replaced = replace_waiting(tx, now, job, because).await?;
    let id = insert_row(tx, now, job).await?;
    for older in replaced {
        query("UPDATE jobs SET superseded_by = $1 WHERE id = $2")
            .bind(id)
            .bind(older)
            .execute(&mut *tx)
            .await
            .map_err(failed("supersede a job"))?;
    }
    if let Some(environment) = job.environment.filter(|_| job.work.touches_environment()) {
        touch_report(tx, now, environment.0).await?;
    }
    Ok(JobId(id))
}

async fn insert_row(tx: &mut Tx, now: i64, job: &NewJob) -> PortResult<i64> {
    let repository = repository(&job.work);
    scalar(sql::INSERT_JOB)
        .bind(job.work.kind())
        .bind(Json(&job.work))
        .bind(PAYLOAD_VERSION)
        .bind(job.environment.map(|id| id.0))
        .bind(repository.map(|r| r.forge.as_str()))
        .bind(repository.map(|r| r.id.0.cast_signed()))
        .bind(job.serial_key())
        .bind(job.work.converges())
        .bind(job.work.touches_environment())
        .bind(job.work.priority())
        .bind(job.work.max_attempts())
        .bind(job.generation)
        .bind(job.comment.map(u64::cast_signed))
        .bind(&job.reason)
        .bind(now)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("add a job"))
}

const fn repository(work: &Work) -> Option<&Repository> {
    match work {
        Work::Assess { subject } => Some(subject.repository()),
        Work::Reply(reply) => Some(&reply.change.repository),
        _ => None,
    }
}

/// Ends the jobs that this one makes needless: the waiting converging job (a destroy that failed half-way too: the
/// core forgets what it remembers of it once the environment is wanted again) and, for a destroy, waiting resets.
async fn replace_waiting(tx: &mut Tx, now: i64, job: &NewJob, because: &str) -> PortResult<Vec<i64>> {
    let Some(environment) = job.environment.filter(|_| job.work.converges()) else {
        return Ok(Vec::new());
    };
    let replaced: Vec<i64> = scalar(sql::REPLACEABLE)
        .bind(environment.0)
        .bind(job.work == Work::Destroy)
        .fetch_all(&mut *tx)
        .await
        .map_err(failed("look for waiting jobs"))?;
    for older in &replaced {
        end_job(tx, now, *older, JobState::Superseded, because).await?;
    }
    Ok(replaced)
}

/// Ends a job, whatever it was doing.
pub(super) async fn end_job(tx: &mut Tx, now: i64, id: i64, state: JobState, reason: &str) -> PortResult<()> {
    let end = query(sql::END_JOB).bind(state.as_str()).bind(reason).bind(now).bind(id);
    end.execute(&mut *tx).await.map(drop).map_err(failed("end a job"))
}
