//! The check run (`ux.md` §3).

use crate::domain::change::Sha;
use crate::domain::environment::Environment;
use crate::domain::ports::{CheckConclusion, CheckState, NewCheck};
use crate::domain::report::{Shown, Snapshot};

use super::comment::{facts, log_details, steps_table};
use super::escape::{cut, printable};
use super::shown::shown;
use super::state::{failed_to_destroy, is_cancelled, is_unplaced, lifetime, words};
use super::time::duration;

/// Name of the check.
pub const CHECK_NAME: &str = "preview";

/// GitHub's limit of summary and text, in characters.
const MAX_TEXT: usize = 65_535;

/// Longest title; GitHub cuts the line far earlier on most pages.
const MAX_TITLE: usize = 140;

/// Our own id of the check of one commit: the same whatever happens to the environment, so that one check per head
/// commit is kept.
#[must_use]
pub fn check_id(environment: &Environment, sha: &Sha) -> String {
    format!("{}:{sha}", environment.name)
}

/// The check of the environment's head commit as it should be now; `None` before the change was read.
#[must_use]
pub fn check(snapshot: &Snapshot, public_url: &str) -> Option<NewCheck> {
    let environment = &snapshot.environment;
    let sha = environment.change.as_ref()?.head.sha.clone();
    let shown = shown(snapshot);
    let failure = environment.failure.as_ref().filter(|_| shown == Shown::Failed);
    let title: String = printable(&title(snapshot, &shown)).collect();
    Some(NewCheck {
        name: CHECK_NAME.to_owned(),
        external_id: check_id(environment, &sha),
        sha,
        state: state(snapshot, &shown),
        details_url: Some(public_url.to_owned()).filter(|url| !url.is_empty()),
        title: cut(&title, MAX_TITLE),
        summary: cut(&summary(snapshot, &shown), MAX_TEXT - 1),
        text: text(snapshot, &shown).map(|text| cut(&text, MAX_TEXT - 1)),
        annotations: failure.map(|failure| failure.annotations.clone()).unwrap_or_default(),
    })
}

/// The check of an older commit whose deploy was superseded by `by`.
#[must_use]
pub fn superseded_check(check: NewCheck, by: &Sha) -> NewCheck {
    NewCheck {
        state: CheckState::Completed(CheckConclusion::Cancelled),
        title: format!("Superseded by {}", by.short()),
        summary: format!("A newer commit, `{}`, took this one's place.", by.short()),
        text: None,
        annotations: Vec::new(),
        ..check
    }
}

fn state(snapshot: &Snapshot, shown: &Shown) -> CheckState {
    CheckState::Completed(match shown {
        Shown::Queued(..) => return CheckState::Queued,
        Shown::Deploying(..) => return CheckState::InProgress,
        Shown::Ready => CheckConclusion::Success,
        Shown::Failed if is_cancelled(snapshot) => CheckConclusion::Cancelled,
        Shown::Failed if !failed_to_destroy(snapshot) => CheckConclusion::Failure,
        // What cannot be taken down says nothing about the commit.
        Shown::Failed | Shown::Stopped | Shown::Destroying | Shown::Destroyed | Shown::Expired => {
            CheckConclusion::Neutral
        }
        Shown::Skipped if !is_unplaced(&snapshot.environment) => CheckConclusion::Skipped,
        Shown::Skipped | Shown::WaitingForApproval => CheckConclusion::ActionRequired,
    })
}

fn title(snapshot: &Snapshot, shown: &Shown) -> String {
    let environment = &snapshot.environment;
    match shown {
        Shown::Ready => match environment.deploy_ms {
            Some(ms) => format!("Ready in {}", duration(ms)),
            None => "Ready".to_owned(),
        },
        Shown::Failed if failed_to_destroy(snapshot) => "Could not be destroyed".to_owned(),
        Shown::Failed if is_cancelled(snapshot) => capital(CheckConclusion::Cancelled.as_str()),
        Shown::Failed => match &environment.failure {
            Some(failure) => format!("Failed at {}", failure.step),
            None => "Failed".to_owned(),
        },
        Shown::WaitingForApproval => "Waiting for approval: nothing of it was run".to_owned(),
        Shown::Skipped if is_unplaced(environment) => {
            "Not possible yet: the operator must choose a place".to_owned()
        }
        Shown::Skipped => format!("Skipped: {}", environment.reason),
        Shown::Destroyed | Shown::Expired => match lifetime(environment) {
            Some(lived) => format!("{} after {lived}", capital(shown.word())),
            None => capital(shown.word()),
        },
        // Each step would be an edit: progress is told in the comment alone.
        Shown::Deploying(..) => capital(shown.word()),
        other => capital(&words(other)),
    }
}

fn summary(snapshot: &Snapshot, shown: &Shown) -> String {
    if matches!(shown, Shown::Deploying(..)) {
        return "The preview is being deployed; the comment on this change tells how far it is.".to_owned();
    }
    let facts = facts(snapshot, shown);
    if facts.is_empty() { format!("Preview {}.", super::escape(&words(shown))) } else { facts }
}

fn text(snapshot: &Snapshot, shown: &Shown) -> Option<String> {
    if matches!(shown, Shown::Deploying(..)) {
        return None;
    }
    let steps = (!snapshot.steps.is_empty()).then(|| steps_table(&snapshot.steps));
    let failure = snapshot.environment.failure.as_ref().filter(|_| *shown == Shown::Failed);
    let log = failure.map(log_details).filter(|log| !log.is_empty());
    let parts: Vec<_> = steps.into_iter().chain(log).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
