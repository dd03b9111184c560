//! A clock that stands still until a test moves it.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use previewbot::domain::ports::Clock;

/// A clock in hand.
pub(crate) struct HandClock(Mutex<Timestamp>);

impl HandClock {
    /// Stands at this second of the epoch.
    pub(crate) fn at(second: i64) -> Self {
        Self(Mutex::new(Timestamp::from_second(second).unwrap()))
    }

    /// Moves on.
    pub(crate) fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(duration).unwrap();
    }
}

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}
