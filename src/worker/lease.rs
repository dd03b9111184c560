//! The lease: kept alive by heartbeats while a job runs, and the ear for requests to stop.

use std::sync::Arc;
use std::time::Duration;

use super::Cancel;
use crate::domain::job::Claim;
use crate::domain::ports::{Clock, Heartbeat, JobQueue};

/// Beats until the lease is lost, then returns why. Requests to stop are passed on to `cancel`.
///
/// A queue that cannot be reached counts as lost only once the lease must have run out.
pub(crate) async fn hold(
    queue: Arc<dyn JobQueue>,
    clock: Arc<dyn Clock>,
    claim: Claim,
    lease: Duration,
    cancel: Cancel,
) -> &'static str {
    let beat = (lease / 3).min(Duration::from_secs(10));
    // A request to stop must reach the job quickly, so the ear is opened more often than the lease needs.
    let beat = beat.min(Duration::from_secs(1));
    let patience = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let mut last_held = clock.now_ms();
    loop {
        clock.sleep(beat).await;
        match queue.heartbeat(&claim, lease).await {
            Ok(Heartbeat::Held) => last_held = clock.now_ms(),
            Ok(Heartbeat::CancelRequested(reason)) => {
                last_held = clock.now_ms();
                cancel.request(reason);
            }
            Ok(Heartbeat::Lost) => return "another worker holds the job",
            Err(error) => {
                tracing::warn!(error = %error.chain(), "heartbeat failed");
                if clock.now_ms() - last_held >= patience {
                    return "the queue could not be reached for the whole lease";
                }
            }
        }
    }
}
