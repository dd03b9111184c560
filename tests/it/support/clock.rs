//! A clock moved by hand and chance that repeats itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use previewbot::domain::ports::{Clock, SystemRandom};
use tokio::sync::watch;
use uuid::Uuid;

/// A clock that stands until a test moves it. Starts at 2026-01-01T00:00:00Z.
pub(crate) struct ManualClock {
    now_ms: watch::Sender<i64>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self { now_ms: watch::Sender::new(1_767_225_600_000) }
    }
}

impl ManualClock {
    /// Moves the clock on and wakes those whose sleep is over.
    pub(crate) fn advance(&self, by: Duration) {
        self.now_ms.send_modify(|now| *now += i64::try_from(by.as_millis()).unwrap());
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(*self.now_ms.borrow()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        let mut moved = self.now_ms.subscribe();
        let until = *moved.borrow() + i64::try_from(duration.as_millis()).unwrap();
        moved.wait_for(|now| *now >= until).await.unwrap();
    }
}

/// Counts: the n-th UUID ends in n, and no jitter is ever added.
#[derive(Default)]
pub(crate) struct CountingRandom {
    given: AtomicU64,
}

impl SystemRandom for CountingRandom {
    fn uuid(&self) -> Uuid {
        let n = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        Uuid::from_u64_pair(0x0000_0000_0000_4000, 0x8000_0000_0000_0000 | n)
    }

    fn fraction(&self) -> f64 {
        0.0
    }
}
