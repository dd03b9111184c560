//! What a job did to its environment, written under its claim.

use super::super::database::{Json, query, scalar};
use super::environments::claimed_environment;
use super::{Store, Tx, check_claim, commit, failed, limits, touch_report};
use crate::domain::change::Sha;
use crate::domain::environment::Failure;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::Claim;
use crate::domain::ports::EnvironmentOutcome;

/// A preview that answers.
struct Ready {
    commit: Sha,
    generation: i64,
    urls: Vec<(String, String)>,
    deploy_ms: i64,
    seeded: bool,
}

impl Store {
    pub(super) async fn record_outcome(&self, claim: &Claim, outcome: EnvironmentOutcome) -> PortResult<()> {
        let now = self.now();
        let id = claimed_environment(claim)?.0;
        let mut tx = self.begin().await?;
        check_claim(&mut tx, claim).await?;
        match outcome {
            EnvironmentOutcome::Ready { commit, generation, urls, deploy_ms, seeded } => {
                check_newest(&mut tx, claim, id, generation).await?;
                let ready = Ready { commit, generation, urls, deploy_ms, seeded };
                self.ready(&mut tx, now, id, &ready).await?;
            }
            EnvironmentOutcome::Failed { generation, failure } => {
                failed_for(&mut tx, now, id, generation, &failure).await?;
            }
            EnvironmentOutcome::Stopped => stopped(&mut tx, now, id).await?,
            EnvironmentOutcome::DataReset => data_reset(&mut tx, now, id).await?,
            EnvironmentOutcome::Destroyed => {
                self.destroyed(&mut tx, now, id).await?;
                limits::wake_next(&mut tx, now).await?;
            }
        }
        touch_report(&mut tx, now, id).await?;
        commit(tx).await?;
        self.tell_all();
        Ok(())
    }

    async fn ready(&self, tx: &mut Tx, now: i64, id: i64, ready: &Ready) -> PortResult<()> {
        let (ttl, kept): (Option<i64>, Option<i64>) =
            query("SELECT ttl_ms, kept_until FROM environments WHERE id = $1")
                .bind(id)
                .fetch_one(&mut *tx)
                .await
                .map_err(failed("read how long an environment lives"))?;
        // The failure of a newer generation is not this deploy's to clear.
        query(
            "UPDATE environments SET published = $1, urls = $2, deploy_ms = $3, expires_at = $4, \
             seeded_at = CASE WHEN $5 THEN $6 ELSE seeded_at END, \
             failure = CASE WHEN generation = $8 THEN NULL ELSE failure END, push_cancellations = 0, \
             destroyed_at = NULL, revision = revision + 1, updated_at = $6 WHERE id = $7",
        )
        .bind(ready.commit.as_str())
        .bind(Json(&ready.urls))
        .bind(ready.deploy_ms)
        .bind(self.expiry(now, ttl, kept))
        .bind(ready.seeded)
        .bind(now)
        .bind(id)
        .bind(ready.generation)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(failed("publish an environment"))
    }

    /// The life ends: what belonged to it is forgotten, the row stays for "destroyed" to be said.
    async fn destroyed(&self, tx: &mut Tx, now: i64, id: i64) -> PortResult<()> {
        query("DELETE FROM port_leases WHERE environment_id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(failed("give ports back"))?;
        query(
            "UPDATE environments SET last_life = life, life = $1, entry = NULL, published = NULL, urls = '[]', \
             failure = NULL, push_cancellations = 0, seeded_at = NULL, reset_at = NULL, deploy_ms = NULL, \
             expires_at = CASE WHEN desired = 'running' THEN expires_at END, host = NULL, life_trust = NULL, kept_until = NULL, \
             ruling = NULL, \
             destroyed_at = $2, \
             created_at = CASE WHEN desired = 'running' THEN $2 ELSE created_at END, \
             revision = revision + 1, updated_at = $2 WHERE id = $3",
        )
        .bind(self.inner.random.uuid().hyphenated().to_string())
        .bind(now)
        .bind(id)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(failed("record a destroy"))
    }
}

/// Newest wins: an older generation may not publish, unless the queue let this deploy finish although pushes came.
async fn check_newest(tx: &mut Tx, claim: &Claim, id: i64, generation: i64) -> PortResult<()> {
    let may: Option<i64> = scalar(
        "SELECT e.id FROM environments e JOIN jobs j ON j.id = $1 \
         WHERE e.id = $2 AND (e.generation = $3 OR (j.spared AND e.desired = 'running'))",
    )
    .bind(claim.job.0)
    .bind(id)
    .bind(generation)
    .fetch_optional(&mut *tx)
    .await
    .map_err(failed("compare generations"))?;
    let older = || {
        let message = format!("job {} deployed generation {generation}, which is no longer wanted", claim.job);
        PortError::new(ErrorKind::Conflict, message)
    };
    may.map(|_| ()).ok_or_else(older)
}

async fn failed_for(tx: &mut Tx, now: i64, id: i64, generation: i64, failure: &Failure) -> PortResult<()> {
    query(
        "UPDATE environments SET failure = $1, push_cancellations = 0, revision = revision + 1, updated_at = $2 \
         WHERE id = $3 AND generation = $4",
    )
    .bind(Json(failure))
    .bind(now)
    .bind(id)
    .bind(generation)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("record a failure"))
}

async fn stopped(tx: &mut Tx, now: i64, id: i64) -> PortResult<()> {
    query(
        "UPDATE environments SET published = NULL, urls = '[]', failure = NULL, revision = revision + 1, \
         updated_at = $1 WHERE id = $2",
    )
    .bind(now)
    .bind(id)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("record a stop"))
}

/// Where the wanted commit is published, a standing failure can only be that of an earlier reset.
async fn data_reset(tx: &mut Tx, now: i64, id: i64) -> PortResult<()> {
    query(
        "UPDATE environments SET reset_at = $1, seeded_at = $1, \
         failure = CASE WHEN published = desired_commit THEN NULL ELSE failure END, \
         revision = revision + 1, updated_at = $1 WHERE id = $2",
    )
    .bind(now)
    .bind(id)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("record a reset"))
}
