//! The `preview:` block (design §11): the repository's own policy. The Go tool ignores it.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::change::NameError;

/// When a change gets a preview by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Always.
    #[default]
    Auto,
    /// When it bears the label.
    Label,
    /// When somebody says `/preview deploy`.
    Command,
}

/// What to do with drafts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drafts {
    /// Preview them.
    #[default]
    Deploy,
    /// Wait until they are ready.
    Skip,
}

/// When to comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentMode {
    /// One sticky comment.
    #[default]
    Always,
    /// Only once something was deployed.
    OnChange,
    /// Never.
    Off,
}

impl CommentMode {
    /// The word in files and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnChange => "on_change",
            Self::Off => "off",
        }
    }
}

impl FromStr for CommentMode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let all = [Self::Always, Self::OnChange, Self::Off];
        let found = all.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| NameError::new("comment mode", text, "it must be `always`, `on_change` or `off`"))
    }
}

/// What a policy says of a preview beside whether there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// How long it lives after a deploy, in ms; `None` = as the settings say for all.
    pub ttl_ms: Option<i64>,
    /// When to comment.
    pub comment: CommentMode,
}

/// `preview.probe`: how to tell that the preview answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Service to ask; empty = the first of `urls`, else the first service with a port.
    pub service: String,
    /// Path to ask for.
    pub path: String,
    /// How long to go on asking.
    pub timeout: Duration,
}

impl Default for Probe {
    fn default() -> Self {
        Self { service: String::new(), path: "/".to_owned(), timeout: Duration::from_mins(1) }
    }
}

/// The whole block, every field with its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewPolicy {
    /// When a change gets a preview by itself.
    pub trigger: Trigger,
    /// Opt-in label when the trigger is `label`; `no-preview` always opts out.
    pub label: String,
    /// What to do with drafts.
    pub drafts: Drafts,
    /// Globs over the change's files; empty = all.
    pub paths: Vec<String>,
    /// Life time; `None` = the settings' default.
    pub ttl: Option<Duration>,
    /// How to tell that it answers.
    pub probe: Probe,
    /// Services shown in the comment, in this order; empty = all with a port.
    pub urls: Vec<String>,
    /// When to comment.
    pub comment: CommentMode,
}

impl Default for PreviewPolicy {
    fn default() -> Self {
        Self {
            trigger: Trigger::default(),
            label: "preview".to_owned(),
            drafts: Drafts::default(),
            paths: Vec::new(),
            ttl: None,
            probe: Probe::default(),
            urls: Vec::new(),
            comment: CommentMode::default(),
        }
    }
}

impl PreviewPolicy {
    /// What it says of a preview beside whether there is one.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let ttl_ms = self.ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        Terms { ttl_ms, comment: self.comment }
    }
}
