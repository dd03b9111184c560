//! Snapshots: one consistent look at an environment, its job, its place in the queue and its steps.

use super::super::database::{query, scalar};
use super::super::rows::{JobRow, StepRow};
use super::super::sql;
use super::environments::by_id;
use super::{Store, Tx, commit, failed, limits};
use crate::domain::environment::EnvironmentId;
use crate::domain::error::PortResult;
use crate::domain::job::JobState;
use crate::domain::report::{Snapshot, StepLine};

impl Store {
    pub(super) async fn snapshot_of(&self, id: EnvironmentId) -> PortResult<Option<Snapshot>> {
        let mut tx = self.reader().begin_reading().await.map_err(failed("begin reading"))?;
        let Some(environment) = by_id(&mut tx, id.0).await? else { return Ok(None) };
        let row: Option<JobRow> = query(sql::SHOWN_JOB)
            .bind(id.0)
            .fetch_optional(&mut tx)
            .await
            .map_err(failed("read an environment's job"))?;
        let now = self.now();
        let mut snapshot =
            Snapshot { environment, job: None, queue: None, steps: Vec::new(), planned_steps: None, now };
        if let Some(row) = row {
            let place = (row.priority, row.run_at, row.id);
            (snapshot.steps, snapshot.planned_steps) = steps(&mut tx, row.id).await?;
            let job = row.job()?;
            if matches!(job.state, JobState::Queued | JobState::Waiting) {
                let in_line = limits::place_in_line(&mut tx, id.0).await?;
                snapshot.queue = Some(match in_line {
                    Some(place) => place,
                    None => position(&mut tx, place).await?,
                });
            }
            snapshot.job = Some(job);
        }
        commit(tx).await?;
        Ok(Some(snapshot))
    }
}

async fn position(tx: &mut Tx, (priority, run_at, id): (i64, i64, i64)) -> PortResult<(i64, i64)> {
    query(sql::QUEUE_POSITION)
        .bind(priority)
        .bind(run_at)
        .bind(id)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("count the queue"))
}

/// Steps that have begun, and how many there are to be; of the job's latest try only.
async fn steps(tx: &mut Tx, job: i64) -> PortResult<(Vec<StepLine>, Option<i64>)> {
    let planned: i64 = scalar("SELECT count(*) FROM job_steps WHERE job_id = $1")
        .bind(job)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("count steps"))?;
    let rows: Vec<StepRow> = query(
        "SELECT step, status, duration_ms FROM job_steps WHERE job_id = $1 AND status IS NOT NULL ORDER BY ordinal",
    )
    .bind(job)
    .fetch_all(&mut *tx)
    .await
    .map_err(failed("read steps"))?;
    let lines = rows.into_iter().map(StepRow::line).collect::<PortResult<_>>()?;
    Ok((lines, (planned > 0).then_some(planned)))
}
