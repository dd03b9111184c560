//! What one state is called, coloured and explained; shared by comment and check.

use crate::domain::environment::{Cause, Environment};
use crate::domain::job::Work;
use crate::domain::policy::NO_PLACE;
use crate::domain::report::{Shown, Snapshot};

use super::escape::{code, escape};
use super::time::duration;

/// The coloured dot before a state.
pub(super) const fn dot(shown: &Shown) -> &'static str {
    match shown {
        Shown::Ready => "🟢",
        Shown::Failed => "🔴",
        Shown::Queued(..) | Shown::Deploying(..) | Shown::Destroying => "🟡",
        Shown::WaitingForApproval => "🟠",
        Shown::Stopped | Shown::Skipped => "⚪",
        Shown::Destroyed | Shown::Expired => "⚫",
    }
}

/// The state in words with its numbers; plain text.
pub(super) fn words(shown: &Shown) -> String {
    match shown {
        Shown::Queued(position, length) => format!("queued ({position} of {length})"),
        Shown::Deploying(_, 0, _) => "deploying".to_owned(),
        Shown::Deploying(position, planned, step) if step.is_empty() => {
            format!("deploying ({position}/{planned})")
        }
        Shown::Deploying(position, planned, step) => format!("deploying ({position}/{planned} {step})"),
        other => other.word().to_owned(),
    }
}

/// Whether nothing could be previewed because the operator named no place for it.
pub(super) fn is_unplaced(environment: &Environment) -> bool {
    environment.cause == Cause::Policy && environment.reason.starts_with(NO_PLACE)
}

/// Whether a failure is about taking down rather than putting up.
pub(super) fn failed_to_destroy(snapshot: &Snapshot) -> bool {
    snapshot.environment.desired.commit().is_none()
}

/// Whether somebody gave the work up that would have brought it where it should be.
pub(super) fn is_cancelled(snapshot: &Snapshot) -> bool {
    snapshot.environment.failure.as_ref().is_some_and(crate::domain::environment::Failure::is_cancelled)
}

/// Who did, in words.
pub(super) fn given_up(snapshot: &Snapshot) -> &str {
    snapshot.environment.failure.as_ref().map_or("", |failure| failure.message.as_str())
}

/// Whether a reset runs or waits.
pub(super) fn resetting(snapshot: &Snapshot) -> Option<&str> {
    match &snapshot.active_job()?.work {
        Work::Reset { service, .. } => Some(service),
        _ => None,
    }
}

/// Why the environment is gone, as Markdown.
pub(super) fn why_gone(environment: &Environment) -> String {
    let actor = || environment.actor.as_deref().map(|who| format!(" by {}", code(who))).unwrap_or_default();
    match environment.cause {
        Cause::Merged => format!("The change was merged{}.", actor()),
        Cause::Closed => format!("The change was closed{}.", actor()),
        Cause::Expired => "It lived its time.".to_owned(),
        Cause::Command => format!("`/preview destroy`{}.", actor()),
        Cause::Removed => "The bot was taken off this repository.".to_owned(),
        Cause::Policy | Cause::Untrusted | Cause::Change => sentence(&environment.reason),
    }
}

/// How it comes back.
pub(super) const fn how_back(cause: Cause) -> &'static str {
    match cause {
        Cause::Merged => "A merged change gets no preview; open a new one.",
        Cause::Closed => "Reopening the change brings it back.",
        Cause::Expired => "A push or `/preview deploy` brings it back.",
        Cause::Removed => "Installing the bot again brings it back with the next push.",
        Cause::Command | Cause::Policy | Cause::Untrusted | Cause::Change => "`/preview deploy` brings it back.",
    }
}

/// How long the last life was.
pub(super) fn lifetime(environment: &Environment) -> Option<String> {
    let lived = environment.destroyed_at?.checked_sub(environment.created_at)?;
    (lived > 0).then(|| duration(lived))
}

/// Text from outside as a sentence: escaped, capital first, full stop last.
pub(super) fn sentence(text: &str) -> String {
    let text = escape(text.trim());
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}
