//! Assessments: what waits to be assessed, and the one transaction that writes what was concluded.

use async_trait::async_trait;

use super::super::database::{Json, query, scalar};
use super::super::rows::{DecisionRow, EnvironmentRow};
use super::super::sql::{self, select_environment};
use super::deliveries::resolve;
use super::{Store, Tx, check_claim, commit, failed, touch_report};
use crate::domain::decision::DecisionRecord;
use crate::domain::environment::{Environment, EnvironmentId};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::event::{Delivery, DeliveryId};
use crate::domain::job::Claim;
use crate::domain::ports::{Assessment, Assessments};

#[async_trait]
impl Assessments for Store {
    async fn pending(&self, subject_key: &str) -> PortResult<Vec<Delivery>> {
        self.pending_deliveries(subject_key).await
    }

    async fn commit(&self, claim: &Claim, assessment: Assessment) -> PortResult<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        check_claim(&mut tx, claim).await?;
        let environment = self.write_environment(&mut tx, now, &assessment).await?;
        for record in &assessment.decisions {
            insert_decision(&mut tx, &assessment, environment, record).await?;
        }
        resolve(&mut tx, &assessment.deliveries).await?;
        commit(tx).await?;
        self.tell_all();
        Ok(())
    }

    async fn resolve(&self, claim: &Claim, deliveries: &[(DeliveryId, String)]) -> PortResult<()> {
        let mut tx = self.begin().await?;
        check_claim(&mut tx, claim).await?;
        resolve(&mut tx, deliveries).await?;
        commit(tx).await
    }

    async fn delivery(&self, id: &DeliveryId) -> PortResult<Option<Delivery>> {
        self.one_delivery(id).await
    }

    async fn delivery_body(&self, id: &DeliveryId) -> PortResult<Option<Vec<u8>>> {
        self.body_of(id).await
    }

    async fn decisions_of_delivery(&self, id: &DeliveryId) -> PortResult<Vec<DecisionRecord>> {
        self.decisions_about(id).await
    }

    async fn decisions_of_environment(
        &self,
        environment: EnvironmentId,
        limit: i64,
    ) -> PortResult<Vec<DecisionRecord>> {
        let rows: Vec<DecisionRow> = query(
            "SELECT d.* FROM decisions d JOIN environments e ON e.project_id = d.project_id AND e.number = d.number \
             WHERE e.id = $1 ORDER BY d.id DESC LIMIT $2",
        )
        .bind(environment.0)
        .bind(limit)
        .fetch_all(self.reader())
        .await
        .map_err(failed("read decisions"))?;
        Ok(rows.into_iter().map(DecisionRow::record).collect())
    }
}

impl Store {
    /// Applies the decisions to the environment's row, which is made where it is first needed.
    async fn write_environment(&self, tx: &mut Tx, now: i64, assessment: &Assessment) -> PortResult<Option<i64>> {
        let stored = stored(tx, assessment).await?;
        check_revision(stored.as_ref(), assessment)?;
        let known = stored.is_some();
        let decisions = assessment.decisions.iter().map(|record| &record.decision);
        if !known && decisions.clone().all(crate::domain::decision::Decision::is_nothing) {
            return Ok(None);
        }
        let mut environment = match stored {
            Some(environment) => environment,
            None => self.make_row(tx, now, assessment).await?,
        };
        environment.change = Some(assessment.change.clone());
        environment.terms = assessment.terms.unwrap_or(environment.terms);
        // A new commit, or another base, takes the leave for the old one back.
        environment.approval.take_if(|approval| !approval.covers(&assessment.change));
        for decision in decisions.clone() {
            self.apply(tx, now, &mut environment, decision).await?;
        }
        update(tx, now, &environment).await?;
        // A row that only gives replies a home has nothing of its own to show.
        if known || decisions.clone().any(|d| d.desired.is_some() || !d.work.is_empty()) {
            touch_report(tx, now, environment.id.0).await?;
        }
        Ok(Some(environment.id.0))
    }

    async fn make_row(&self, tx: &mut Tx, now: i64, assessment: &Assessment) -> PortResult<Environment> {
        let name = crate::domain::environment::EnvName::of_change(
            assessment.project.repository.forge,
            assessment.change.number,
        );
        let id: i64 = scalar(
            "INSERT INTO environments (project_id, name, number, life, desired, cause, reason, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, 'absent', 'policy', 'nobody asked for a preview yet', $5, $5) RETURNING id",
        )
        .bind(assessment.project.id.0)
        .bind(name.as_str())
        .bind(assessment.change.number.0.cast_signed())
        .bind(self.inner.random.uuid().hyphenated().to_string())
        .bind(now)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed("make an environment"))?;
        let row: EnvironmentRow = query(sql::ENVIRONMENT_BY_ID)
            .bind(id)
            .fetch_one(&mut *tx)
            .await
            .map_err(failed("read an environment"))?;
        row.environment()
    }
}

async fn stored(tx: &mut Tx, assessment: &Assessment) -> PortResult<Option<Environment>> {
    let row: Option<EnvironmentRow> = query(select_environment!("WHERE e.project_id = $1 AND e.number = $2"))
        .bind(assessment.project.id.0)
        .bind(assessment.change.number.0.cast_signed())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("read an environment"))?;
    row.map(EnvironmentRow::environment).transpose()
}

fn check_revision(stored: Option<&Environment>, assessment: &Assessment) -> PortResult<()> {
    let seen = assessment.environment.as_ref();
    if stored.map(|e| (e.id, e.revision)) == seen.map(|e| (e.id, e.revision)) {
        return Ok(());
    }
    let number = assessment.change.number;
    let slug = assessment.project.slug.as_str();
    let message = format!("the environment of {slug} #{number} changed while it was assessed");
    Err(PortError::new(ErrorKind::Conflict, message))
}

/// Writes what decisions change of an environment.
pub(super) async fn update(tx: &mut Tx, now: i64, environment: &Environment) -> PortResult<()> {
    let approval = environment.approval.as_ref();
    query(
        "UPDATE environments SET change_snapshot = $1, desired = $2, desired_commit = $3, cause = $4, actor = $5, \
         sticky = $6, reason = $7, generation = $8, push_cancellations = $9, failure = $10, created_at = $11, \
         destroyed_at = $12, expires_at = $13, trust = $14, approved_commit = $15, approved_base = $16, approved_by = $17, \
         approved_at = $18, ttl_ms = $19, comment_mode = $20, kept_until = $21, revision = revision + 1, updated_at = $22 \
         WHERE id = $23",
    )
    .bind(environment.change.as_ref().map(Json))
    .bind(environment.desired.as_str())
    .bind(environment.desired.commit().map(crate::domain::change::Sha::as_str))
    .bind(environment.cause.as_str())
    .bind(&environment.actor)
    .bind(environment.sticky)
    .bind(&environment.reason)
    .bind(environment.generation)
    .bind(environment.push_cancellations)
    .bind(environment.failure.as_ref().map(Json))
    .bind(environment.created_at)
    .bind(environment.destroyed_at)
    .bind(environment.expires_at)
    .bind(environment.trust.as_str())
    .bind(approval.map(|approval| approval.commit.as_str()))
    .bind(approval.map(|approval| &approval.base))
    .bind(approval.map(|approval| &approval.by))
    .bind(approval.map(|approval| approval.at))
    .bind(environment.terms.ttl_ms)
    .bind(environment.terms.comment.as_str())
    .bind(environment.kept_until)
    .bind(now)
    .bind(environment.id.0)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("write an environment"))
}

async fn insert_decision(
    tx: &mut Tx,
    assessment: &Assessment,
    environment: Option<i64>,
    record: &DecisionRecord,
) -> PortResult<()> {
    query(sql::INSERT_DECISION)
        .bind(record.delivery.as_ref().map(|id| &id.0))
        .bind(assessment.project.id.0)
        .bind(assessment.change.number.0.cast_signed())
        .bind(environment)
        .bind(&record.trigger)
        .bind(Json(&record.decision))
        .bind(record.at)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(failed("record a decision"))
}
