//! Why an open change gets no preview. Reasons are plain sentences; the wording escapes them.

use crate::domain::change::Permission;
use crate::domain::environment::{Cause, Desired};
use crate::domain::project::PreviewPolicy;
use crate::domain::project::policy::{Drafts, Trigger};

use super::situation::{Placement, Situation};

/// The label that always opts a change out.
const OPT_OUT_LABEL: &str = "no-preview";

/// How the reason begins when the operator named no place for the project's previews. The check asks for action
/// then, where it is `skipped` for every other policy.
pub const NO_PLACE: &str = "previews of this repository have no place to run";

/// A "no" with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) cause: Cause,
    pub(super) reason: String,
}

fn policy(reason: impl Into<String>) -> Refusal {
    Refusal { cause: Cause::Policy, reason: reason.into() }
}

/// Why this open change gets no preview; `None`: it gets one. `asked`: a person with the right asks for it now,
/// which is all that draft and trigger rules wait for.
pub(super) fn refusal(situation: &Situation<'_>, asked: bool) -> Option<Refusal> {
    let Some(preview) = situation.preview() else {
        return Some(policy("the repository has no previewctl.yaml"));
    };
    if has_label(situation, OPT_OUT_LABEL) {
        return Some(policy(format!("the change has the label {OPT_OUT_LABEL}")));
    }
    let asked = asked || asked_before(situation);
    filtered(situation, &preview)
        .filter(|_| !asked)
        .or_else(|| unplaced(situation))
        .or_else(|| untrusted(situation))
}

/// Whether the preview is up because somebody asked for it: pushes keep it up then.
pub(super) fn asked_before(situation: &Situation<'_>) -> bool {
    situation.environment.is_some_and(|e| {
        e.cause == Cause::Command && matches!(e.desired, Desired::Running { .. } | Desired::Stopped)
    })
}

fn has_label(situation: &Situation<'_>, wanted: &str) -> bool {
    situation.change.labels.iter().any(|label| label.eq_ignore_ascii_case(wanted))
}

fn filtered(situation: &Situation<'_>, preview: &PreviewPolicy) -> Option<Refusal> {
    if situation.change.draft && preview.drafts == Drafts::Skip {
        return Some(policy("the change is a draft, and drafts get no preview here"));
    }
    match preview.trigger {
        Trigger::Auto => None,
        Trigger::Label if has_label(situation, &preview.label) => None,
        Trigger::Label => Some(policy(format!("the change does not have the label {}", preview.label))),
        Trigger::Command => Some(policy("a preview is made only on request: comment /preview deploy")),
    }
}

fn unplaced(situation: &Situation<'_>) -> Option<Refusal> {
    match situation.placement {
        Placement::Local | Placement::Hosts => None,
        Placement::Nowhere(what_to_do) => Some(policy(format!("{NO_PLACE}: {what_to_do}"))),
    }
}

/// Design §8: same-repository changes by people with write run; everything else runs nothing.
fn untrusted(situation: &Situation<'_>) -> Option<Refusal> {
    let change = situation.change;
    let reason = if change.head.repository.is_none() {
        "the repository that this change comes from no longer exists, and previews of changes from elsewhere are \
         refused for now"
            .to_owned()
    } else if !change.same_repository(situation.change_ref.repository.id) {
        "previews of changes from forks are refused for now: nothing of this change was run. Somebody with write \
         permission can push its commits to a branch of this repository and open a change from there"
            .to_owned()
    } else if change.author.is_bot {
        format!("{} is a bot, and previews of changes by bots are refused for now", change.author.login)
    } else if situation.author_permission < Permission::Write {
        format!(
            "its author, {}, has {} permission here and previews run only for authors with write permission; \
             nothing of this change was run",
            change.author.login, situation.author_permission
        )
    } else {
        return None;
    };
    Some(Refusal { cause: Cause::Untrusted, reason })
}
