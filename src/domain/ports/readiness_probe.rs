use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::error::PortResult;

/// Asks a published URL until it answers.
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// Returns once the URL answers with a status below 500.
    ///
    /// # Errors
    /// `TimedOut` naming the last answer when it did not within `timeout`; `Cancelled`.
    async fn wait_ready(&self, url: &str, timeout: Duration, cancel: &CancellationToken) -> PortResult<()>;
}
