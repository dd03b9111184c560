//! A clock that runs faster than the machine's, for bots whose politeness towards the forge would make tests slow.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use previewbot::domain::ports::Clock;

/// Starts at the machine's time and runs `factor` times as fast.
pub(crate) struct HurriedClock {
    began: Instant,
    began_ms: i64,
    factor: u32,
}

impl HurriedClock {
    /// A clock that runs `factor` times as fast as the machine's.
    pub(crate) fn times(factor: u32) -> Self {
        let since_epoch = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Self { began: Instant::now(), began_ms: since_epoch.as_millis().try_into().unwrap(), factor }
    }
}

#[async_trait]
impl Clock for HurriedClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from((self.began.elapsed() * self.factor).as_millis()).unwrap();
        Timestamp::from_millisecond(self.began_ms + passed).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.factor).await;
    }
}
