use async_trait::async_trait;

use crate::domain::error::PortResult;
use crate::domain::job::Claim;
use crate::domain::limits::Limits;
use crate::domain::trust::Trust;

/// What a look at a host found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFigures {
    /// Free bytes of the disk with its root or of that with Docker's, whichever has fewer.
    pub disk_free: Option<u64>,
    /// All bytes of that disk. Known only to who looked, as is the next; neither is recorded.
    pub disk_size: Option<u64>,
    /// Networks that Docker can still make.
    pub networks_free: Option<u64>,
    /// Bytes of memory that programs could have.
    pub memory_free: Option<u64>,
    /// Whether rules are in force that keep previews from private networks: what runs there may be anybody's.
    pub confined: bool,
}

/// What is known of a host beside the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRecord {
    /// Its name.
    pub name: String,
    /// Whether it gets no new environments.
    pub draining: bool,
    /// When it was last looked at, ms since the epoch.
    pub checked_at: Option<i64>,
    /// Why it could not be reached then.
    pub trouble: Option<String>,
    /// When the first look was that it has not answered since, ms since the epoch.
    pub down_since: Option<i64>,
    /// What was found when it last answered.
    pub figures: HostFigures,
    /// Environments that are placed on it.
    pub environments: u32,
}

/// What is known of the hosts, and which environment is on which.
#[async_trait]
pub trait Hosts: Send + Sync {
    /// Everything that is known of hosts that were looked at, drained or used.
    async fn records(&self) -> PortResult<Vec<HostRecord>>;

    /// Records what a look at a host found: figures, or why it did not answer.
    async fn checked(&self, name: &str, found: Result<HostFigures, String>) -> PortResult<()>;

    /// Says whether a host gets new environments.
    async fn drain(&self, name: &str, draining: bool) -> PortResult<()>;

    /// Places the claim's environment. One that is there already stays, whatever the limits are by now.
    ///
    /// # Errors
    /// `Fenced` when the claim was lost.
    async fn place(&self, claim: &Claim, placing: &Placing<'_>) -> PortResult<Placed>;
}

/// Where an environment is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Placing<'a> {
    /// The host; the bot's own machine is one too.
    pub host: &'a str,
    /// Whose code it is placed for, as the caller knows it: what was decided since must not be taken for what runs.
    pub trust: Trust,
    /// At most so many are on the host then.
    pub capacity: Option<u32>,
    /// How many there may be in all; `None`: a person's own are not counted.
    pub limits: Option<Limits>,
}

/// What came of placing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// It is there.
    There,
    /// Others were quicker, and the host is full.
    HostIsFull,
    /// So many previews are there that it waits: why.
    Waits(String),
}
