//! `[projects.preview]`: what the operator says about a project's previews instead of its own `preview:` block.

use std::time::Duration;

use serde::Deserialize;

use super::SettingsError;
use crate::domain::length::length_of_time;
use crate::domain::project::policy::{CommentMode, Drafts, Probe, Trigger};
use crate::domain::project::{PreviewPolicy, paths};

/// The keys of the block; what is left out is as the repository says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreviewSettings {
    /// When a change gets a preview by itself.
    pub trigger: Option<Trigger>,
    /// Opt-in label when the trigger is `label`.
    pub label: Option<String>,
    /// What to do with drafts.
    pub drafts: Option<Drafts>,
    /// Globs over the change's files.
    pub paths: Option<Vec<String>>,
    /// Life time.
    pub ttl: Option<Length>,
    /// How to tell that it answers.
    pub probe: ProbeSettings,
    /// Services shown in the comment.
    pub urls: Option<Vec<String>>,
    /// When to comment.
    pub comment: Option<CommentMode>,
}

/// `[projects.preview.probe]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeSettings {
    /// Service to ask.
    pub service: Option<String>,
    /// Path to ask for.
    pub path: Option<String>,
    /// How long to go on asking.
    pub timeout: Option<Length>,
}

/// A length of time, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Length(pub Duration);

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = length_of_time(&text).map(Self);
        length.ok_or_else(|| format!("`{text}` is no length of time such as `60s`, `2h30m` or `7d`"))
    }
}

impl PreviewSettings {
    /// The policy of a repository with what is said here instead.
    #[must_use]
    pub fn over(&self, policy: PreviewPolicy) -> PreviewPolicy {
        let Self { trigger, label, drafts, paths, ttl, probe, urls, comment } = self.clone();
        PreviewPolicy {
            trigger: trigger.unwrap_or(policy.trigger),
            label: label.unwrap_or(policy.label),
            drafts: drafts.unwrap_or(policy.drafts),
            paths: paths.unwrap_or(policy.paths),
            ttl: ttl.map(|length| length.0).or(policy.ttl),
            probe: Probe {
                service: probe.service.unwrap_or(policy.probe.service),
                path: probe.path.unwrap_or(policy.probe.path),
                timeout: probe.timeout.map_or(policy.probe.timeout, |length| length.0),
            },
            urls: urls.unwrap_or(policy.urls),
            comment: comment.unwrap_or(policy.comment),
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let patterns = self.paths.as_deref().unwrap_or_default();
        let is_path = |path: &String| path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
        let wrong = if self.label.as_deref().is_some_and(|label| label.trim().is_empty()) {
            "label must be the name of a label".to_owned()
        } else if self.probe.path.as_ref().is_some_and(|path| !is_path(path)) {
            "probe.path must be a URL path that begins with `/`".to_owned()
        } else if patterns.len() > paths::MOST {
            format!("paths must be at most {} globs", paths::MOST)
        } else if let Some(pattern) = patterns.iter().find(|pattern| !paths::is_pattern(pattern)) {
            format!("paths: `{}` is no glob", pattern.escape_debug())
        } else {
            return Ok(());
        };
        Err(SettingsError::Invalid(format!("projects.preview.{wrong}")))
    }
}
