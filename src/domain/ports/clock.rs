/// The only source of "now" and of waiting.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> jiff::Timestamp;

    /// Waits until this much time of this clock has passed.
    async fn sleep(&self, duration: std::time::Duration);

    /// Now, in ms since the epoch.
    fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }
}

/// The only source of chance: ids and jitter.
pub trait SystemRandom: Send + Sync {
    /// A new random (version 4) UUID.
    fn uuid(&self) -> uuid::Uuid;

    /// A number in `0.0..1.0`.
    fn fraction(&self) -> f64;
}
