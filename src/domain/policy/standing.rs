//! Whose code a change brings, and whether it may run (design §8). Fails closed: what is not known is no.

use crate::domain::change::{Change, Permission, RepositoryId};
use crate::domain::trust::Approval;

use super::situation::Situation;

/// How the reason ends when the operator has no place for untrusted code: an approval would not help then.
pub const NO_SANDBOX: &str = "the bot has no host for untrusted code: its operator can add one to [[hosts]] with the label \
    \"sandbox\"";

/// What a change is to the team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the team's own.
    Trusted,
    /// It is not, and somebody with the right let its newest commit run.
    Approved,
    /// Nothing of it runs: why.
    Waits(String),
}

/// What the change is, with this approval.
pub(super) fn standing(situation: &Situation<'_>, approval: Option<&Approval>) -> Standing {
    let Some(doubt) = doubt(situation) else { return Standing::Trusted };
    let reason = format!("{doubt}, so nothing of it was run");
    if !situation.sandbox {
        return Standing::Waits(format!("{reason}. Nor could it be if somebody approved it: {NO_SANDBOX}"));
    }
    if approval.is_some_and(|approval| approval.covers(situation.change)) {
        return Standing::Approved;
    }
    Standing::Waits(reason)
}

/// Why a change is not the team's own; `None`: it is.
pub(super) fn doubt(situation: &Situation<'_>) -> Option<String> {
    let repository = situation.change_ref.repository.id;
    why_not_own(situation.change, repository, situation.author_permission, situation.trusted_bots)
}

/// Why a change to this repository, by an author with this right there, is not the team's own; `None`: it is.
#[must_use]
pub fn why_not_own(
    change: &Change,
    repository: RepositoryId,
    permission: Permission,
    trusted_bots: &[String],
) -> Option<String> {
    if change.head.repository.is_none() {
        return Some("the repository that this change comes from no longer exists".to_owned());
    }
    if !change.same_repository(repository) {
        return Some("this change comes from a fork".to_owned());
    }
    let author = &change.author;
    if author.is_bot {
        let listed = trusted_bots.iter().any(|login| login.eq_ignore_ascii_case(&author.login));
        return (!listed).then(|| format!("{}, the author of this change, is a bot", author.login));
    }
    (permission < Permission::Write)
        .then(|| format!("{}, the author of this change, has {permission} permission here", author.login))
}
