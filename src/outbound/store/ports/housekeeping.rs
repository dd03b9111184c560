//! What nobody asked for: previews past their life or past their share of a disk, history past its use.

use async_trait::async_trait;

use super::super::database::{Json, query, scalar};
use super::super::sql;
use super::assessments::update;
use super::environments::by_id;
use super::{Store, Tx, commit, failed, touch_report};
use crate::domain::decision::{Decision, DesiredChange};
use crate::domain::disk::Remedy;
use crate::domain::environment::{Cause, Desired, Environment, EnvironmentId};
use crate::domain::error::PortResult;
use crate::domain::job::Work;
use crate::domain::ports::{Housekeeping, MakeWay};

/// Environments that lived their time: `$1` now, `$2` one of them or NULL for all. What is to be deployed is not
/// destroyed for the age that it had before.
const EXPIRED: &str = "SELECT id FROM environments WHERE expires_at <= $1 AND desired <> 'absent' \
     AND ($2 IS NULL OR id = $2) AND NOT (desired = 'running' AND EXISTS (SELECT 1 FROM jobs j \
       WHERE j.environment_id = environments.id AND j.converges AND j.state IN ('queued', 'waiting', 'running')))";

#[async_trait]
impl Housekeeping for Store {
    async fn take_duty(&self, name: &str, holder: &str, for_ms: i64) -> PortResult<bool> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let taken = query(
            "INSERT INTO duties (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
             SET holder = excluded.holder, until = excluded.until \
             WHERE duties.holder = excluded.holder OR duties.until <= $4",
        )
        .bind(name)
        .bind(holder)
        .bind(now + for_ms)
        .bind(now)
        .execute(&mut tx)
        .await
        .map_err(failed("take a duty"))?;
        commit(tx).await?;
        Ok(taken == 1)
    }

    async fn expire(&self) -> PortResult<Vec<EnvironmentId>> {
        let now = self.now();
        let due: Vec<i64> = scalar(EXPIRED)
            .bind(now)
            .bind(None::<i64>)
            .fetch_all(self.reader())
            .await
            .map_err(failed("look for expired environments"))?;
        let mut expired = Vec::new();
        for id in due {
            if self.expire_one(now, id).await? {
                expired.push(EnvironmentId(id));
            }
        }
        if !expired.is_empty() {
            self.tell_all();
        }
        Ok(expired)
    }

    async fn make_way(&self, order: &MakeWay) -> PortResult<bool> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let Some(environment) = by_id(&mut tx, order.environment.0).await? else { return Ok(false) };
        let (desired, work) = way_out(order, &environment);
        let same = environment.life == order.life && environment.host.as_deref() == Some(order.host.as_str());
        if !same || environment.desired == desired || environment.desired == Desired::Absent {
            return Ok(false);
        }
        let trust = environment.trust;
        let desired = DesiredChange { desired, cause: Cause::Disk, sticky: false, trust };
        let decision = unasked(desired, work, &order.why);
        self.decide_unasked(tx, now, environment, "disk", &decision).await?;
        self.tell_all();
        Ok(true)
    }

    async fn revive(&self) -> PortResult<Vec<EnvironmentId>> {
        self.revive_destroys().await
    }

    async fn take_up_neglected(&self) -> PortResult<u64> {
        self.assess_neglected().await
    }

    async fn prune(&self, before: i64) -> PortResult<()> {
        let pruned = self.prune_before(before).await?;
        tracing::debug!(?pruned, "history pruned");
        Ok(())
    }
}

impl Store {
    async fn expire_one(&self, now: i64, id: i64) -> PortResult<bool> {
        let mut tx = self.begin().await?;
        // A push or the end of a deploy may have come between the look and now.
        let still: Option<i64> = scalar(EXPIRED)
            .bind(now)
            .bind(id)
            .fetch_optional(&mut tx)
            .await
            .map_err(failed("look for expired environments"))?;
        if still.is_none() {
            return Ok(false);
        }
        let Some(environment) = by_id(&mut tx, id).await? else { return Ok(false) };
        let desired = Desired::Absent;
        let trust = environment.trust;
        let desired = DesiredChange { desired, cause: Cause::Expired, sticky: false, trust };
        let decision = unasked(desired, Work::Destroy, "it lived its time");
        self.decide_unasked(tx, now, environment, "expiry", &decision).await?;
        Ok(true)
    }

    /// Applies a decision that nobody asked for, and ends the transaction.
    async fn decide_unasked(
        &self,
        mut tx: Tx,
        now: i64,
        mut environment: Environment,
        trigger: &str,
        decision: &Decision,
    ) -> PortResult<()> {
        let id = environment.id.0;
        self.apply(&mut tx, now, &mut environment, decision).await?;
        update(&mut tx, now, &environment).await?;
        query(sql::INSERT_DECISION)
            .bind(None::<String>)
            .bind(environment.project.id.0)
            .bind(environment.number.0.cast_signed())
            .bind(id)
            .bind(trigger)
            .bind(Json(decision))
            .bind(now)
            .execute(&mut tx)
            .await
            .map_err(failed("record a decision"))?;
        touch_report(&mut tx, now, id).await?;
        commit(tx).await
    }
}

fn unasked(desired: DesiredChange, work: Work, reason: &str) -> Decision {
    let reason = reason.to_owned();
    Decision { desired: Some(desired), work: vec![work], reason, ..Decision::nothing("") }
}

/// What the environment should be from now on, and the work for it. Of one that was not made wholly there is nothing to
/// be kept.
fn way_out(order: &MakeWay, environment: &Environment) -> (Desired, Work) {
    match order.remedy {
        Remedy::Stop if environment.entry.is_some() => (Desired::Stopped, Work::Stop),
        Remedy::Stop | Remedy::Destroy => (Desired::Absent, Work::Destroy),
    }
}
