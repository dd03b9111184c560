//! What the Manager tells while it works.

use serde::{Deserialize, Serialize};

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// It begins.
    Started,
    /// Its command runs; output follows.
    Streaming,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// It was done already.
    Skipped,
}

impl StepStatus {
    /// The word in tables and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Streaming => "streaming",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that happened to one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEvent {
    /// Step name.
    pub step: String,
    /// What happened.
    pub status: StepStatus,
    /// Remark or error text; empty when there is none.
    pub message: String,
    /// How long it took, in ms; only with `Completed` and `Failed`.
    pub duration_ms: Option<i64>,
}
