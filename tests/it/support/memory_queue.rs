//! A queue that only takes deliveries, and can be told to fail.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::event::NewDelivery;
use previewbot::domain::job::{Claim, Job, JobEnd, JobId, NewJob};
use previewbot::domain::ports::{Accepted, ClaimedJob, Heartbeat, JobFilter, JobQueue, Room};

/// Deliveries in memory.
#[derive(Default)]
pub(crate) struct MemoryQueue {
    deliveries: Mutex<Vec<NewDelivery>>,
    broken: AtomicBool,
}

impl MemoryQueue {
    /// Everything that was stored, in order.
    pub(crate) fn stored(&self) -> Vec<NewDelivery> {
        self.deliveries.lock().unwrap().clone()
    }

    /// From now on the store fails.
    pub(crate) fn break_down(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    fn works(&self) -> PortResult<()> {
        if self.broken.load(Ordering::SeqCst) {
            Err(PortError::new(ErrorKind::Unavailable, "secret detail: disk full at /var/lib"))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl JobQueue for MemoryQueue {
    async fn accept(&self, delivery: NewDelivery) -> PortResult<Accepted> {
        self.works()?;
        let mut deliveries = self.deliveries.lock().unwrap();
        if deliveries.iter().any(|known| known.id == delivery.id) {
            return Ok(Accepted::Duplicate);
        }
        deliveries.push(delivery);
        Ok(Accepted::New)
    }

    async fn next_run_at(&self) -> PortResult<Option<i64>> {
        self.works().map(|()| None)
    }

    async fn enqueue(&self, _jobs: &[NewJob]) -> PortResult<Vec<JobId>> {
        panic!("webhooks only hand in deliveries")
    }

    async fn claim(&self, _owner: &str, _lease: Duration, _room: Room) -> PortResult<Option<ClaimedJob>> {
        panic!("webhooks only hand in deliveries")
    }

    async fn heartbeat(&self, _claim: &Claim, _lease: Duration) -> PortResult<Heartbeat> {
        panic!("webhooks only hand in deliveries")
    }

    async fn finish(&self, _claim: &Claim, _end: JobEnd, _follow_ups: &[NewJob]) -> PortResult<()> {
        panic!("webhooks only hand in deliveries")
    }

    async fn rescue(&self, _owner: &str, _all: bool) -> PortResult<Vec<JobId>> {
        panic!("webhooks only hand in deliveries")
    }

    async fn cancel(&self, _job: JobId, _reason: &str) -> PortResult<()> {
        panic!("webhooks only hand in deliveries")
    }

    async fn list(&self, _filter: &JobFilter) -> PortResult<Vec<Job>> {
        panic!("webhooks only hand in deliveries")
    }

    async fn get(&self, _job: JobId) -> PortResult<Option<Job>> {
        panic!("webhooks only hand in deliveries")
    }

    async fn woken(&self) {
        panic!("webhooks only hand in deliveries")
    }
}
