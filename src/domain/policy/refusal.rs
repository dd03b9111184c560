//! Why an open change gets no preview. Reasons are plain sentences; the wording escapes them.

use crate::domain::environment::{Cause, Desired};
use crate::domain::project::policy::{Drafts, Trigger};
use crate::domain::project::{PreviewPolicy, paths};
use crate::domain::trust::{Approval, Trust};

use super::situation::{Placement, Situation};
use super::standing::{Standing, standing};

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

/// Whose code an open change's preview runs, or why it gets none. `asked`: a person with the right asks for it now, which is
/// all that draft and trigger rules wait for. `approval`: the leave that there is.
pub(super) fn admit(
    situation: &Situation<'_>,
    asked: bool,
    approval: Option<&Approval>,
) -> Result<Trust, Refusal> {
    let Some(preview) = situation.preview() else {
        return Err(policy("the repository has no previewctl.yaml"));
    };
    if has_label(situation, OPT_OUT_LABEL) {
        return Err(policy(format!("the change has the label {OPT_OUT_LABEL}")));
    }
    if !asked
        && !asked_before(situation)
        && let Some(refusal) = filtered(situation, &preview)
    {
        return Err(refusal);
    }
    match standing(situation, approval) {
        Standing::Trusted => unplaced(situation).map_or(Ok(Trust::Trusted), Err),
        Standing::Approved => Ok(Trust::Untrusted),
        Standing::Waits(reason) => Err(Refusal { cause: Cause::Untrusted, reason }),
    }
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
        Trigger::Label if !has_label(situation, &preview.label) => {
            Some(policy(format!("the change does not have the label {}", preview.label)))
        }
        Trigger::Command => Some(policy("a preview is made only on request: comment /preview deploy")),
        Trigger::Auto | Trigger::Label => untouched(situation, preview),
    }
}

/// What a change does not touch needs no preview. A list that was cut may lack the file that matters.
fn untouched(situation: &Situation<'_>, preview: &PreviewPolicy) -> Option<Refusal> {
    let files = situation.files.filter(|files| !preview.paths.is_empty() && !files.is_cut)?;
    let named = paths::any_named(&preview.paths, files.paths.iter().map(String::as_str));
    (!named).then(|| policy("the change touches none of the files that preview.paths names"))
}

/// Whether a decision about this open change depends on its files: they are a page or more to ask for.
pub(super) fn needs_files(situation: &Situation<'_>) -> bool {
    let Some(preview) = situation.preview() else { return false };
    situation.files.is_none()
        && !preview.paths.is_empty()
        && !has_label(situation, OPT_OUT_LABEL)
        && !asked_before(situation)
        && filtered(situation, &preview).is_none()
}

fn unplaced(situation: &Situation<'_>) -> Option<Refusal> {
    match situation.placement {
        Placement::Local | Placement::Hosts => None,
        Placement::Nowhere(what_to_do) => Some(policy(format!("{NO_PLACE}: {what_to_do}"))),
    }
}
