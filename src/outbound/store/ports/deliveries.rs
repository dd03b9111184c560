//! Deliveries: group commit on their way in, and reading them back.
//!
//! A commit costs one flush to disk; one task therefore commits everything that waits together, and each caller
//! is answered after the commit that holds its delivery.

use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, oneshot};

use super::super::database::{Database, Json, query, scalar};
use super::super::news::News;
use super::super::rows::{DecisionRow, DeliveryRow};
use super::super::sql;
use super::insert::insert_job;
use super::{Store, Tx, begin, commit, failed};
use crate::domain::decision::DecisionRecord;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::event::{Delivery, DeliveryId, Event, NewDelivery, Parsed};
use crate::domain::job::{NewJob, Work};
use crate::domain::ports::Accepted;

/// Deliveries in one transaction at most.
const GROUP: usize = 256;

/// A delivery and who waits for its commit.
pub(super) struct Waiting {
    delivery: NewDelivery,
    answer: oneshot::Sender<PortResult<Accepted>>,
}

/// The one task that stores deliveries.
pub(super) struct GroupCommit {
    /// The store's own, which the task must not keep open.
    pub(super) database: Weak<Database>,
    pub(super) news: Arc<News>,
}

impl GroupCommit {
    /// Starts the task; it ends when the sender is dropped.
    pub(super) fn start(self) -> mpsc::Sender<Waiting> {
        let (sender, mut receiver) = mpsc::channel(GROUP);
        tokio::spawn(async move {
            let mut group = Vec::with_capacity(GROUP);
            while receiver.recv_many(&mut group, GROUP).await > 0 {
                self.store(std::mem::take(&mut group)).await;
                self.news.tell_queue();
            }
        });
        sender
    }

    /// All in one transaction; when that fails, each in its own, so that a bad one fails alone.
    async fn store(&self, group: Vec<Waiting>) {
        let deliveries: Vec<&NewDelivery> = group.iter().map(|waiting| &waiting.delivery).collect();
        let together = self.store_together(&deliveries).await;
        if let (Err(error), true) = (&together, group.len() > 1) {
            tracing::warn!(error = error.chain(), "a group of deliveries is stored one by one");
            for waiting in group {
                let alone = self.store_together(&[&waiting.delivery]).await;
                answer(waiting, alone.map(|mut accepted| accepted.pop()));
            }
            return;
        }
        match together {
            Ok(accepted) => {
                for (waiting, accepted) in group.into_iter().zip(accepted) {
                    answer(waiting, Ok(Some(accepted)));
                }
            }
            Err(error) => group.into_iter().take(1).for_each(|waiting| answer(waiting, Err(error_again(&error)))),
        }
    }

    async fn store_together(&self, deliveries: &[&NewDelivery]) -> PortResult<Vec<Accepted>> {
        let closed = || PortError::new(ErrorKind::Unavailable, "database: the store is closed");
        let database = self.database.upgrade().ok_or_else(closed)?;
        let now = database.now();
        let mut tx = begin(&database).await?;
        let mut accepted = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            accepted.push(store_one(&mut tx, now, delivery).await?);
        }
        commit(tx).await?;
        Ok(accepted)
    }
}

fn error_again(error: &PortError) -> PortError {
    PortError::new(error.kind(), error.chain())
}

fn answer(waiting: Waiting, result: PortResult<Option<Accepted>>) {
    let missing = || PortError::new(ErrorKind::Unavailable, "database: a delivery got no answer");
    // A caller that went away will be sent the delivery again and finds it stored.
    let _ = waiting.answer.send(result.and_then(|accepted| accepted.ok_or_else(missing)));
}

async fn store_one(tx: &mut Tx, now: i64, delivery: &NewDelivery) -> PortResult<Accepted> {
    let (event, outcome) = match &delivery.parsed {
        Parsed::Event(event) => (Some(event.as_ref()), None),
        Parsed::Ignored { because } => (None, Some(format!("nothing to do, because {because}"))),
    };
    let stored = query(sql::INSERT_DELIVERY)
        .bind(&delivery.id.0)
        .bind(delivery.forge.as_str())
        .bind(&delivery.event_name)
        .bind(&delivery.action)
        .bind(now)
        .bind(event.map(Json))
        .bind(event.map(|event| event.subject.key()))
        .bind(outcome)
        .execute(&mut *tx)
        .await
        .map_err(failed("store a delivery"))?;
    if stored == 0 {
        return Ok(Accepted::Duplicate);
    }
    query("INSERT INTO delivery_bodies (delivery_id, body) VALUES ($1, $2)")
        .bind(&delivery.id.0)
        .bind(&delivery.body)
        .execute(&mut *tx)
        .await
        .map_err(failed("store a delivery's body"))?;
    if let Some(event) = event {
        insert_job(tx, now, &assessment(event), "").await?;
    }
    Ok(Accepted::New)
}

/// The job that looks at what an event is about.
pub(super) fn assessment(event: &Event) -> NewJob {
    let work = Work::Assess { subject: event.subject.clone() };
    let reason = format!("{}: {}", event.kind.label(), event.subject.key());
    NewJob { work, environment: None, generation: None, comment: None, reason }
}

impl Store {
    pub(super) async fn accept_delivery(&self, delivery: NewDelivery) -> PortResult<Accepted> {
        let gone = || PortError::new(ErrorKind::Unavailable, "database: the store is closed");
        let (answer, answered) = oneshot::channel();
        self.inner.accepts.send(Waiting { delivery, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    pub(super) async fn pending_deliveries(&self, subject_key: &str) -> PortResult<Vec<Delivery>> {
        let rows: Vec<DeliveryRow> =
            query("SELECT * FROM deliveries WHERE subject_key = $1 AND outcome IS NULL ORDER BY arrival")
                .bind(subject_key)
                .fetch_all(self.reader())
                .await
                .map_err(failed("read deliveries"))?;
        rows.into_iter().map(DeliveryRow::delivery).collect()
    }

    pub(super) async fn one_delivery(&self, id: &DeliveryId) -> PortResult<Option<Delivery>> {
        let row: Option<DeliveryRow> = query("SELECT * FROM deliveries WHERE id = $1")
            .bind(&id.0)
            .fetch_optional(self.reader())
            .await
            .map_err(failed("read a delivery"))?;
        row.map(DeliveryRow::delivery).transpose()
    }

    pub(super) async fn body_of(&self, id: &DeliveryId) -> PortResult<Option<Vec<u8>>> {
        scalar("SELECT body FROM delivery_bodies WHERE delivery_id = $1")
            .bind(&id.0)
            .fetch_optional(self.reader())
            .await
            .map_err(failed("read a delivery's body"))
    }

    pub(super) async fn decisions_about(&self, id: &DeliveryId) -> PortResult<Vec<DecisionRecord>> {
        let rows: Vec<DecisionRow> = query("SELECT * FROM decisions WHERE delivery_id = $1 ORDER BY id")
            .bind(&id.0)
            .fetch_all(self.reader())
            .await
            .map_err(failed("read decisions"))?;
        Ok(rows.into_iter().map(DecisionRow::record).collect())
    }
}

/// Writes what came of deliveries.
pub(super) async fn resolve(tx: &mut Tx, deliveries: &[(DeliveryId, String)]) -> PortResult<()> {
    for (id, outcome) in deliveries {
        query("UPDATE deliveries SET outcome = $1 WHERE id = $2")
            .bind(outcome)
            .bind(&id.0)
            .execute(&mut *tx)
            .await
            .map_err(failed("record what came of a delivery"))?;
    }
    Ok(())
}
