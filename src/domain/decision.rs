//! Decisions: what an assessment concluded, kept so that `why` and `explain` can print it.

use serde::{Deserialize, Serialize};

use super::environment::{Cause, Desired};
use super::job::{Reply, Work};
use super::trust::{Approval, Trust};

/// What is to happen to one environment, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What the environment should be from now on; `None`: desired stays as it is.
    pub desired: Option<DesiredChange>,
    /// Work to queue for it.
    pub work: Vec<Work>,
    /// Answers to post.
    pub replies: Vec<Reply>,
    /// The comment that ordered it, where one did.
    pub comment: Option<u64>,
    /// One sentence.
    pub reason: String,
    /// Who caused it: a login.
    pub actor: Option<String>,
    /// The leave that it gives to an untrusted commit.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// How much longer, in ms from now, it lets the preview live at least.
    #[serde(default)]
    pub keep_ms: Option<i64>,
    /// Whether it gives up what waits and what runs.
    #[serde(default)]
    pub cancels: bool,
}

impl Decision {
    /// "Nothing to do, because …".
    #[must_use]
    pub fn nothing(because: impl Into<String>) -> Self {
        Self {
            desired: None,
            work: Vec::new(),
            replies: Vec::new(),
            comment: None,
            reason: format!("nothing to do, because {}", because.into()),
            actor: None,
            approval: None,
            keep_ms: None,
            cancels: false,
        }
    }

    /// Whether it tells a person that they may not.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        self.replies.iter().any(|reply| reply.reaction == Some(super::job::Reaction::ThumbsDown))
    }

    /// Whether nothing follows from it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let orders = self.approval.is_some() || self.keep_ms.is_some() || self.cancels;
        self.desired.is_none() && self.work.is_empty() && self.replies.is_empty() && !orders
    }
}

/// A new value of desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredChange {
    /// What it should be.
    pub desired: Desired,
    /// Why, as a word.
    pub cause: Cause,
    /// Whether it holds against pushes.
    pub sticky: bool,
    /// Whose code is to run, where some is.
    #[serde(default)]
    pub trust: Trust,
}

/// A decision as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The delivery that led to it; `None` for the reconciler, the dashboard and the command line.
    pub delivery: Option<super::event::DeliveryId>,
    /// Event label, command or `reconcile`.
    pub trigger: String,
    /// The decision.
    pub decision: Decision,
    /// When, ms since the epoch.
    pub at: i64,
}
