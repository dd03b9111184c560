//! Steps of jobs: what is planned, what happened. Output is not kept here.

use async_trait::async_trait;

use super::super::database::{query, scalar};
use super::{Store, Tx, commit, failed};
use crate::domain::error::PortResult;
use crate::domain::job::JobId;
use crate::domain::ports::Journal;
use crate::domain::progress::{StepEvent, StepStatus};

/// Adds a step that is not there yet at the end: `$1` job, `$2` step.
const ADD_STEP: &str = "INSERT INTO job_steps (job_id, ordinal, step, claim) \
     SELECT id, (SELECT coalesce(max(ordinal), 0) + 1 FROM job_steps WHERE job_id = $1), $2, claims \
     FROM jobs WHERE id = $1 ON CONFLICT (job_id, step) DO NOTHING";

#[async_trait]
impl Journal for Store {
    /// Phases may each name their own steps: they add up. The steps of an earlier try are dropped.
    async fn plan(&self, job: JobId, steps: &[String]) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query("DELETE FROM job_steps WHERE job_id = $1 AND claim <> (SELECT claims FROM jobs WHERE id = $1)")
            .bind(job.0)
            .execute(&mut tx)
            .await
            .map_err(failed("drop an earlier plan"))?;
        for step in steps {
            add_step(&mut tx, job, step).await?;
        }
        commit(tx).await
    }

    async fn step(&self, job: JobId, event: &StepEvent) -> PortResult<()> {
        if event.status == StepStatus::Streaming {
            return Ok(());
        }
        let now = self.now();
        let mut tx = self.begin().await?;
        add_step(&mut tx, job, &event.step).await?;
        let begins = event.status == StepStatus::Started;
        query(
            "UPDATE job_steps SET status = $1, message = $2, duration_ms = $3, \
             started_at = CASE WHEN $4 THEN $5 ELSE coalesce(started_at, $5) END, \
             finished_at = CASE WHEN $4 THEN NULL ELSE $5 END WHERE job_id = $6 AND step = $7",
        )
        .bind(event.status.as_str())
        .bind(&event.message)
        .bind(event.duration_ms)
        .bind(begins)
        .bind(now)
        .bind(job.0)
        .bind(&event.step)
        .execute(&mut tx)
        .await
        .map_err(failed("record a step"))?;
        raise_report_of(&mut tx, now, job).await?;
        commit(tx).await?;
        self.tell_reports();
        Ok(())
    }
}

async fn add_step(tx: &mut Tx, job: JobId, step: &str) -> PortResult<()> {
    let add = query(ADD_STEP).bind(job.0).bind(step);
    add.execute(&mut *tx).await.map(drop).map_err(failed("plan a step"))
}

async fn raise_report_of(tx: &mut Tx, now: i64, job: JobId) -> PortResult<()> {
    let environment: Option<Option<i64>> = scalar("SELECT environment_id FROM jobs WHERE id = $1")
        .bind(job.0)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("read a job"))?;
    match environment.flatten() {
        Some(environment) => super::touch_report(tx, now, environment).await,
        None => Ok(()),
    }
}
