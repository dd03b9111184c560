//! What a delivery meant, forge-neutral. An event is a hint about where to look; it never decides by itself.

use serde::{Deserialize, Serialize};

use super::change::{Account, ChangeRef, ForgeKind, Repository, Sha};

/// Id of a stored delivery: the forge's own id of the call (GitHub: the GUID, the same on redelivery).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub String);

/// One comment or one button: something that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentRef {
    /// The forge's id of the comment; its text is fetched again by this id before anything is obeyed.
    pub id: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A change was opened.
    Opened,
    /// A change was opened again.
    Reopened,
    /// A change got a new head.
    Pushed,
    /// A draft became ready.
    ReadyForReview,
    /// A change became a draft.
    ConvertedToDraft,
    /// Labels, base or other facts of the change moved.
    Edited,
    /// A change was closed or merged.
    Closed,
    /// Somebody commented on a change.
    Commented {
        /// The comment.
        comment: CommentRef,
    },
    /// Somebody asked for a check to run again.
    CheckRerequested {
        /// The commit that the check is of.
        sha: Sha,
    },
}

impl EventKind {
    /// A short word for logs, decisions and `explain`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reopened => "reopened",
            Self::Pushed => "pushed",
            Self::ReadyForReview => "ready_for_review",
            Self::ConvertedToDraft => "converted_to_draft",
            Self::Edited => "edited",
            Self::Closed => "closed",
            Self::Commented { .. } => "commented",
            Self::CheckRerequested { .. } => "check_rerequested",
        }
    }
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A change.
    Change(ChangeRef),
    /// A commit whose change must be looked up (GitHub leaves the list empty for forks).
    Commit {
        /// Where the commit is.
        repository: Repository,
        /// The commit.
        sha: Sha,
    },
}

impl Subject {
    /// A key under which assessments of the same thing coalesce and serialise.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Change(change) => change.key(),
            Self::Commit { repository, sha } => format!("{}:{}@{sha}", repository.forge, repository.id),
        }
    }

    /// The repository that it is in.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        match self {
            Self::Change(change) => &change.repository,
            Self::Commit { repository, .. } => repository,
        }
    }
}

/// An event: what happened, to what, and who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// What it is about.
    pub subject: Subject,
    /// Who did it, as the payload says; rights are always looked up.
    pub sender: Option<Account>,
}

/// What became of a payload when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// It asks us to look at something.
    Event(Box<Event>),
    /// It is recorded and nothing follows, because …
    Ignored {
        /// The rest of the sentence "nothing to do, because …".
        because: String,
    },
}

/// A webhook call that was verified, on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Which forge sent it.
    pub forge: ForgeKind,
    /// The forge's event name, `pull_request`.
    pub event_name: String,
    /// The payload's action, where it has one.
    pub action: Option<String>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// What it meant.
    pub parsed: Parsed,
}

/// A delivery as it is stored (the body apart).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Which forge sent it.
    pub forge: ForgeKind,
    /// The forge's event name.
    pub event_name: String,
    /// The payload's action.
    pub action: Option<String>,
    /// When it was stored, ms since the epoch.
    pub received_at: i64,
    /// What it meant; `None` for deliveries that are only recorded.
    pub event: Option<Event>,
    /// What was decided, in words; `None` until it was assessed.
    pub outcome: Option<String>,
}
