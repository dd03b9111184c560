//! Keeps one preview from filling the disk that it shares with others: whoever uses too much makes way, by a job like
//! any other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::domain::disk::{DiskRoom, DiskTerms, DiskUse, MakesWay, Remedy, Tenant, who_makes_way};
use crate::domain::environment::{Desired, Environment, LifeId};
use crate::domain::error::PortResult;
use crate::domain::ports::{Audit, AuditRecord, Clock, Environments, Housekeeping, MakeWay};

/// How long others are spared while one that is being destroyed is expected to make room, in ms. One that cannot be
/// destroyed must not hold up what helps.
const EXPECTED_MS: i64 = 2 * 60 * 1000;

/// A host whose disk is guarded.
#[async_trait]
pub trait Guarded: Send + Sync {
    /// The host's name in the settings.
    fn name(&self) -> &str;

    /// How its disk was when it was last looked at; `None`: nobody looked yet.
    fn room(&self) -> Option<DiskRoom>;

    /// How its disk is now.
    ///
    /// # Errors
    /// When the host does not answer.
    async fn look(&self) -> PortResult<Option<DiskRoom>>;

    /// What the settings let an environment use.
    fn terms(&self, environment: &Environment) -> DiskTerms;

    /// What environments of the host use.
    ///
    /// # Errors
    /// When the host does not answer.
    async fn measure(&self, environments: &[Environment]) -> PortResult<BTreeMap<LifeId, DiskUse>>;
}

/// How often hosts are thought of.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two rounds. Where the disk is short, each round measures.
    pub round: Duration,
    /// Between measurements where there is room: they cost the host something.
    pub measuring: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { round: Duration::from_secs(5), measuring: Duration::from_mins(5) }
    }
}

/// Guards the disks of all hosts.
pub struct DiskGuard {
    /// The hosts.
    pub hosts: Vec<Arc<dyn Guarded>>,
    /// Who is on which.
    pub environments: Arc<dyn Environments>,
    /// Where somebody is made to make way.
    pub housekeeping: Arc<dyn Housekeeping>,
    /// Where it is written down.
    pub audit: Arc<dyn Audit>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// How often.
    pub pace: Pace,
}

impl DiskGuard {
    /// Guards until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let watches = self.hosts.iter().map(|host| self.watch(&**host));
        stop.run_until_cancelled(join_all(watches)).await;
    }

    async fn watch(&self, host: &dyn Guarded) {
        let mut looked: Option<jiff::Timestamp> = None;
        loop {
            if let Err(error) = self.turn(host, &mut looked).await {
                tracing::warn!(host = host.name(), error = %error.chain(), "the disk cannot be guarded");
            }
            self.clock.sleep(self.pace.round).await;
        }
    }

    /// Looks at one host, and lets at most one environment make way. `looked`: when somebody was last asked who uses what.
    async fn turn(&self, host: &dyn Guarded, looked: &mut Option<jiff::Timestamp>) -> PortResult<()> {
        let Some(room) = host.room() else { return Ok(()) };
        let now = self.clock.now();
        let pace = i64::try_from(self.pace.measuring.as_millis()).unwrap_or(i64::MAX);
        let is_due = looked.is_none_or(|then| now.as_millisecond() - then.as_millisecond() >= pace);
        if !room.is_short() && !is_due {
            return Ok(());
        }
        let all = self.environments.list(false).await?;
        let mut here: Vec<Environment> =
            all.into_iter().filter(|environment| environment.host.as_deref() == Some(host.name())).collect();
        if room.is_short() && here.iter().any(|environment| self.is_going(environment)) {
            return Ok(());
        }
        here.retain(|environment| environment.desired != Desired::Absent);
        // While there is room, only the untrusted are held to their allowance.
        if here.iter().all(|environment| host.terms(environment).trusted) && !room.is_short() || here.is_empty() {
            *looked = Some(now);
            return Ok(());
        }
        let used = host.measure(&here).await?;
        *looked = Some(now);
        // Somebody may have made room since the last look, and nobody must go for nothing.
        let Some(room) = host.look().await? else { return Ok(()) };
        let tenants: Vec<Tenant> = here.iter().map(|environment| tenant(host, environment, &used)).collect();
        match who_makes_way(host.name(), room, &tenants) {
            Some(way) => self.make_way(host, &here, way).await,
            None if room.is_short() => {
                tracing::warn!(
                    host = host.name(),
                    free = room.free,
                    floor = room.floor,
                    "the host's disk is short, and no preview's going would help: make room there, or give it a larger one"
                );
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether it is being destroyed, for whatever reason, and may be expected to make room soon.
    fn is_going(&self, environment: &Environment) -> bool {
        environment.desired == Desired::Absent && self.clock.now_ms() - environment.updated_at < EXPECTED_MS
    }

    async fn make_way(&self, host: &dyn Guarded, here: &[Environment], way: MakesWay) -> PortResult<()> {
        let Some(environment) = here.iter().find(|environment| environment.id == way.id) else { return Ok(()) };
        let order = MakeWay {
            environment: way.id,
            life: environment.life,
            host: host.name().to_owned(),
            remedy: way.remedy,
            why: way.why,
        };
        if !self.housekeeping.make_way(&order).await? {
            return Ok(());
        }
        tracing::warn!(host = host.name(), env = %environment.name, why = order.why, "a preview makes way");
        let record = AuditRecord {
            at: self.clock.now_ms(),
            actor: None,
            source: "disk guard".to_owned(),
            action: match order.remedy {
                Remedy::Stop => "stop".to_owned(),
                Remedy::Destroy => "destroy".to_owned(),
            },
            environment: Some(format!("{}/{}", environment.project.slug, environment.name)),
            commit: environment.desired.commit().cloned(),
            detail: order.why,
            allowed: true,
        };
        self.audit.record(&record).await
    }
}

fn tenant(host: &dyn Guarded, environment: &Environment, used: &BTreeMap<LifeId, DiskUse>) -> Tenant {
    Tenant {
        id: environment.id,
        name: environment.name.to_string(),
        runs: matches!(environment.desired, Desired::Running { .. }),
        terms: host.terms(environment),
        used: used.get(&environment.life).copied().unwrap_or_default(),
    }
}
