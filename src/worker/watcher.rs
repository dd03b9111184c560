//! Looks at hosts again and again, so that one that went away gets no new previews and is used again once it is back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::domain::error::PortResult;
use crate::domain::ports::{Clock, HostFigures, Hosts};

/// What is looked at.
#[async_trait]
pub trait Watched: Send + Sync {
    /// The host's name in the settings.
    fn name(&self) -> &str;

    /// Asks the host how it is, connecting where needed.
    ///
    /// # Errors
    /// Why it did not answer.
    async fn look(&self) -> PortResult<HostFigures>;
}

/// How often hosts are looked at, and how soon one that does not answer counts as down.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between the beginnings of two looks at a host.
    pub round: Duration,
    /// How long a look may last before the host is called down. The look itself goes on: a slow host that is cut off
    /// each time would never be connected to.
    pub patience: Duration,
}

impl Default for Pace {
    /// A host that went away is known within round and patience together, well below half a minute.
    fn default() -> Self {
        Self { round: Duration::from_secs(10), patience: Duration::from_secs(8) }
    }
}

/// Looks at every host, each apart from the others.
pub struct Watcher {
    hosts: Vec<Arc<dyn Watched>>,
    records: Arc<dyn Hosts>,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl Watcher {
    /// A watcher of these hosts.
    #[must_use]
    pub fn new(hosts: Vec<Arc<dyn Watched>>, records: Arc<dyn Hosts>, clock: Arc<dyn Clock>, pace: Pace) -> Self {
        Self { hosts, records, clock, pace }
    }

    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let watches = self.hosts.iter().map(|host| self.watch(&**host));
        stop.run_until_cancelled(join_all(watches)).await;
    }

    async fn watch(&self, host: &dyn Watched) {
        let mut up = None;
        loop {
            tokio::join!(self.turn(host, &mut up), self.clock.sleep(self.pace.round));
        }
    }

    /// One look, whose host is called down when its time is up and again what it is when it has ended.
    async fn turn(&self, host: &dyn Watched, up: &mut Option<bool>) {
        let mut look = host.look();
        let found = tokio::select! {
            found = &mut look => found.map_err(|error| error.chain()),
            () = self.clock.sleep(self.pace.patience) => {
                let late = format!("it did not answer within {} s", self.pace.patience.as_secs_f32());
                self.record(host, up, Err(late)).await;
                look.await.map_err(|error| error.chain())
            }
        };
        self.record(host, up, found).await;
    }

    async fn record(&self, host: &dyn Watched, up: &mut Option<bool>, found: Result<HostFigures, String>) {
        let name = host.name();
        // A change is told once, not every round.
        if up.replace(found.is_ok()) != Some(found.is_ok()) {
            match &found {
                Ok(_) => tracing::info!(host = name, "the host answers"),
                Err(why) => tracing::warn!(host = name, why, "the host is down: it gets no new previews"),
            }
        }
        if let Err(error) = self.records.checked(name, found).await {
            tracing::error!(host = name, error = %error.chain(), "a look at the host cannot be recorded");
        }
    }
}
