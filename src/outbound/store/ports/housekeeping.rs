//! What time asks for: previews past their life, history past its use.

use async_trait::async_trait;

use super::super::database::{Json, query, scalar};
use super::super::rows::EnvironmentRow;
use super::super::sql;
use super::assessments::update;
use super::{Store, commit, failed, touch_report};
use crate::domain::decision::{Decision, DesiredChange};
use crate::domain::environment::{Cause, Desired, EnvironmentId};
use crate::domain::error::PortResult;
use crate::domain::job::Work;
use crate::domain::ports::Housekeeping;

/// Environments that lived their time: `$1` now, `$2` one of them or NULL for all. What is to be deployed is not
/// destroyed for the age that it had before.
const EXPIRED: &str = "SELECT id FROM environments WHERE expires_at <= $1 AND desired <> 'absent' \
     AND ($2 IS NULL OR id = $2) AND NOT (desired = 'running' AND EXISTS (SELECT 1 FROM jobs j \
       WHERE j.environment_id = environments.id AND j.converges AND j.state IN ('queued', 'waiting', 'running')))";

#[async_trait]
impl Housekeeping for Store {
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
        let row: Option<EnvironmentRow> = query(sql::ENVIRONMENT_BY_ID)
            .bind(id)
            .fetch_optional(&mut tx)
            .await
            .map_err(failed("read an environment"))?;
        let Some(mut environment) = row.map(EnvironmentRow::environment).transpose()? else { return Ok(false) };
        let decision = Decision {
            desired: Some(DesiredChange {
                desired: Desired::Absent,
                cause: Cause::Expired,
                sticky: false,
                trust: environment.trust,
            }),
            work: vec![Work::Destroy],
            ..Decision::nothing("")
        };
        let decision = Decision { reason: "it lived its time".to_owned(), ..decision };
        self.apply(&mut tx, now, &mut environment, &decision).await?;
        update(&mut tx, now, &environment).await?;
        query(sql::INSERT_DECISION)
            .bind(None::<String>)
            .bind(environment.project.id.0)
            .bind(environment.number.0.cast_signed())
            .bind(id)
            .bind("expiry")
            .bind(Json(&decision))
            .bind(now)
            .execute(&mut tx)
            .await
            .map_err(failed("record a decision"))?;
        touch_report(&mut tx, now, id).await?;
        commit(tx).await?;
        Ok(true)
    }
}
