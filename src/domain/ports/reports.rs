use async_trait::async_trait;

use crate::domain::environment::EnvironmentId;
use crate::domain::error::PortResult;

/// What kind of thing was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostedKind {
    /// The sticky comment; key is empty.
    Comment,
    /// A check run; key is the head commit.
    Check,
    /// A deployment; key is the generation and commit that it shows.
    Deployment,
    /// A reply; key is its marker.
    Reply,
    /// A reaction; key is comment id and reaction.
    Reaction,
}

impl PostedKind {
    /// The word in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Check => "check",
            Self::Deployment => "deployment",
            Self::Reply => "reply",
            Self::Reaction => "reaction",
        }
    }
}

/// One thing that was posted, or was about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// What kind.
    pub kind: PostedKind,
    /// Which one of its kind.
    pub key: String,
    /// The forge's id; `None` = intent only: the outcome of creating it is unknown, look its marker up first.
    pub forge_id: Option<u64>,
    /// Hash of the text that was posted last.
    pub hash: String,
    /// The forge's state that was posted last, such as `success` or `inactive`; empty where it has none.
    pub state: String,
}

/// The leave to write one environment's report: nobody else does until it is given back or has run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLease {
    /// Whose report.
    pub environment: EnvironmentId,
    /// The revision that the holder is about to show.
    pub revision: i64,
    /// The process that has it.
    pub holder: String,
}

/// How long a [`ReportLease`] lasts after it was given or held, in ms: longer than a request to a forge may take together
/// with the one for a token before it.
pub const REPORT_LEASE_MS: i64 = 60_000;

/// What was posted for each environment, and which of them have news.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Leases the environments whose report is not what the forge shows and may be written now to `holder`, oldest
    /// first.
    async fn due(&self, holder: &str, limit: i64) -> PortResult<Vec<ReportLease>>;

    /// Holds a lease for its whole time again; to be asked before anything is written to the forge.
    ///
    /// # Errors
    /// `Fenced` when it ran out and another process has it.
    async fn hold(&self, lease: &ReportLease) -> PortResult<()>;

    /// When the next report may be written, ms since the epoch; `None` when all is shown.
    async fn next_due_at(&self) -> PortResult<Option<i64>>;

    /// What was posted for this environment.
    async fn posted(&self, environment: EnvironmentId) -> PortResult<Vec<Posted>>;

    /// Stores one posted thing (also the intent before it is created); replaces the one of the same kind and key.
    async fn save(&self, environment: EnvironmentId, posted: &Posted) -> PortResult<()>;

    /// Forgets one posted thing.
    async fn forget(&self, environment: EnvironmentId, kind: PostedKind, key: &str) -> PortResult<()>;

    /// The report of this revision is shown, and the lease given back; nothing more is written before `not_before` (ms
    /// since the epoch). Without the lease, nothing is recorded.
    async fn shown(&self, lease: &ReportLease, revision: i64, not_before: i64) -> PortResult<()>;

    /// The report could not be shown; the lease is given back, to be had again at `not_before` (ms since the epoch).
    async fn postpone(&self, lease: &ReportLease, not_before: i64, why: &str) -> PortResult<()>;

    /// Asks for the report to be compared again.
    async fn touch(&self, environment: EnvironmentId) -> PortResult<()>;

    /// Returns when a report may have news.
    async fn woken(&self);
}
