use crate::domain::change::{Account, Change, ChangeRef, ChangedFiles, Permission, Sha};
use crate::domain::command::{Command, CommandError};
use crate::domain::decision::DecisionRecord;
use crate::domain::environment::{Desired, Environment};
use crate::domain::project::PreviewPolicy;
use crate::domain::trust::Approval;

/// Whether and where previews of a project may be placed; comes from settings alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// On the bot's own machine, chosen by the operator for this project.
    Local,
    /// On one of the pool's hosts.
    Hosts,
    /// Nowhere: the sentence says what the operator must do.
    Nowhere(String),
}

/// The project's policy as the base branch has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectPolicy {
    /// No `previewctl.yaml` at base or head: the repository does not want previews.
    Missing,
    /// As written, with what the settings say instead; the defaults where it cannot be read, and then the deploy says what
    /// is wrong.
    Known(PreviewPolicy),
}

/// Everything that a decision looks at.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// Which change.
    pub change_ref: &'a ChangeRef,
    /// The change as the forge has it now.
    pub change: &'a Change,
    /// The project's policy.
    pub policy: &'a ProjectPolicy,
    /// What the change's author may do in the repository.
    pub author_permission: Permission,
    /// The environment row, where there is one.
    pub environment: Option<&'a Environment>,
    /// Whether a converging job of the environment waits or runs.
    pub active: bool,
    /// Where previews of the project may be placed.
    pub placement: &'a Placement,
    /// Whether the bot has hosts for untrusted code.
    pub sandbox: bool,
    /// Logins of bots whose changes are the team's own, as the settings of the project say.
    pub trusted_bots: &'a [String],
    /// The change's files; `None` when nobody looked, which counts as if all mattered.
    pub files: Option<&'a ChangedFiles>,
    /// Services that can be reset, as the configuration at the deployed commit says; empty when unknown.
    pub resettable: &'a [String],
}

/// A command, who gave it, and with what right (looked up from the forge, never from the payload).
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// What the line said.
    pub command: Result<Command, CommandError>,
    /// The comment's id.
    pub comment: u64,
    /// Who wrote it.
    pub sender: &'a Account,
    /// What they may do.
    pub permission: Permission,
    /// Which of the comment's lines it is, from 0; keeps reply markers apart.
    pub index: usize,
    /// Whether this person was already told no on this change.
    pub denied_before: bool,
    /// The commit that the bot's comment on the change showed when this was said, where that is known.
    pub shown: Option<&'a Sha>,
    /// What was decided about the change before, newest first, where the order asks for it.
    pub past: &'a [DecisionRecord],
    /// Now, ms since the epoch.
    pub at: i64,
}

impl Situation<'_> {
    /// The project's policy; `None` when the repository wants no previews.
    pub(super) fn preview(&self) -> Option<PreviewPolicy> {
        match self.policy {
            ProjectPolicy::Missing => None,
            ProjectPolicy::Known(policy) => Some(policy.clone()),
        }
    }

    /// The approval that the environment's row holds; it may be for an older commit.
    pub(super) fn approval(&self) -> Option<&Approval> {
        self.environment.and_then(|environment| environment.approval.as_ref())
    }

    /// Whether anything of the environment may exist, so that a destroy has something to do.
    pub(super) fn may_exist(&self) -> bool {
        let made = |e: &Environment| e.entry.is_some() || e.published.is_some();
        // A deploy that failed before it made anything has left what it began with where the environment was placed.
        self.active || self.environment.is_some_and(|e| made(e) || e.host.is_some())
    }

    /// What the environment should be at present; `None` when there is no row.
    pub(super) fn desired(&self) -> Option<&Desired> {
        self.environment.map(|environment| &environment.desired)
    }

    /// Whether the environment should be absent already, or never was.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.desired(), None | Some(Desired::Absent))
    }

    /// What people call the environment.
    pub(super) fn name(&self) -> String {
        self.change_ref.environment_name().to_string()
    }

    /// Whether this account opened the change, and the change is of the same repository.
    pub(super) fn is_author(&self, account: &Account) -> bool {
        account.id == self.change.author.id && self.change.same_repository(self.change_ref.repository.id)
    }
}
