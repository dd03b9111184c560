use async_trait::async_trait;
use secrecy::SecretString;

use crate::domain::change::{Account, Change, ChangeNumber, ChangedFiles, ForgeKind, Permission, Repository, Sha};
use crate::domain::environment::Annotation;
use crate::domain::error::PortResult;
use crate::domain::job::Reaction;

/// A comment on a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The forge's id.
    pub id: u64,
    /// Who wrote it.
    pub author: Account,
    /// Its text.
    pub body: String,
    /// Whether it is by this bot.
    pub ours: bool,
    /// Whether it was edited after it was written.
    pub edited: bool,
    /// The change that it is on; `None` when it is on a plain issue.
    pub change: Option<ChangeNumber>,
    /// When it was written by the forge's clock, ms since the epoch, where that can be read.
    pub created_at: Option<i64>,
    /// When it was last written, likewise.
    pub updated_at: Option<i64>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckConclusion {
    /// Well.
    Success,
    /// Application or hook fault.
    Failure,
    /// Superseded.
    Cancelled,
    /// A limit was reached.
    TimedOut,
    /// Nothing to say: stopped, expired, destroyed.
    Neutral,
    /// By policy there is nothing to preview.
    Skipped,
    /// Somebody must approve.
    ActionRequired,
}

impl CheckConclusion {
    /// GitHub's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Neutral => "neutral",
            Self::Skipped => "skipped",
            Self::ActionRequired => "action_required",
        }
    }
}

/// Where a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// Waiting.
    Queued,
    /// Running.
    InProgress,
    /// Ended.
    Completed(CheckConclusion),
}

impl CheckState {
    /// `queued`, `in_progress` or the conclusion.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed(conclusion) => conclusion.as_str(),
        }
    }
}

/// A check as it should be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheck {
    /// Its name; stable, since required checks refer to it.
    pub name: String,
    /// The commit that it is of.
    pub sha: Sha,
    /// Our own id of it, by which one of unknown outcome is found again.
    pub external_id: String,
    /// Where it is.
    pub state: CheckState,
    /// Page with more.
    pub details_url: Option<String>,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// Markdown, at most 65,535 characters.
    pub text: Option<String>,
    /// Places in the repository that are at fault.
    pub annotations: Vec<Annotation>,
}

/// A check that the forge has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The forge's id.
    pub id: u64,
    /// Our own id of it.
    pub external_id: String,
}

/// Where a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentState {
    /// Running.
    InProgress,
    /// It answers.
    Success,
    /// It failed.
    Failure,
    /// Superseded or destroyed.
    Inactive,
}

impl DeploymentState {
    /// GitHub's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Inactive => "inactive",
        }
    }
}

/// A deployment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// The commit.
    pub sha: Sha,
    /// `preview/pr-42`.
    pub environment: String,
    /// At most 140 characters.
    pub description: String,
    /// Our own id of it (sent as payload), by which one of unknown outcome is found again.
    pub marker: String,
}

/// A deployment that the forge has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The forge's id.
    pub id: u64,
    /// Our own id of it, empty when it is not ours.
    pub marker: String,
}

/// A forge, as far as previews need it. Absence is `None`; every other failure is a `PortError` whose kind says
/// whether to try again and when (`RateLimited`).
#[async_trait]
pub trait Forge: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> ForgeKind;

    /// The bot's own name there, for `@<name> deploy`.
    async fn bot_name(&self) -> PortResult<String>;

    /// A change as it is now.
    async fn change(&self, repository: &Repository, number: ChangeNumber) -> PortResult<Option<Change>>;

    /// Files that a change touches; `is_cut` when the forge does not list all of them.
    async fn changed_files(&self, repository: &Repository, number: ChangeNumber) -> PortResult<ChangedFiles>;

    /// Open changes whose head is this commit.
    async fn changes_with_head(&self, repository: &Repository, sha: &Sha) -> PortResult<Vec<ChangeNumber>>;

    /// What an account may do; unknown accounts may do nothing. Asked afresh at most every 60 s.
    async fn permission(&self, repository: &Repository, login: &str) -> PortResult<Permission>;

    /// A file at a commit; `None` when there is none. At most 1 MiB.
    async fn file(&self, repository: &Repository, path: &str, sha: &Sha) -> PortResult<Option<Vec<u8>>>;

    /// A token that may read the repository, for git; `None` where none is needed.
    async fn git_token(&self, repository: &Repository) -> PortResult<Option<SecretString>>;

    /// git was refused with the token: the next [`Forge::git_token`] gets a new one.
    fn forget_git_token(&self, _repository: &Repository) {}

    /// One comment.
    async fn comment(&self, repository: &Repository, id: u64) -> PortResult<Option<Comment>>;

    /// The newest comment of ours on a change that contains `marker`, on all pages.
    async fn find_comment(
        &self,
        repository: &Repository,
        number: ChangeNumber,
        marker: &str,
    ) -> PortResult<Option<Comment>>;

    /// Writes a comment; its id.
    async fn create_comment(&self, repository: &Repository, number: ChangeNumber, body: &str) -> PortResult<u64>;

    /// Rewrites a comment of ours.
    ///
    /// # Errors
    /// `NotFound` when it was deleted.
    async fn update_comment(
        &self,
        repository: &Repository,
        number: ChangeNumber,
        id: u64,
        body: &str,
    ) -> PortResult<()>;

    /// Puts a reaction on a comment; doing it twice is fine.
    async fn react(
        &self,
        repository: &Repository,
        number: ChangeNumber,
        comment: u64,
        reaction: Reaction,
    ) -> PortResult<()>;

    /// A check of ours on a commit by its external id.
    async fn find_check(
        &self,
        repository: &Repository,
        sha: &Sha,
        name: &str,
        external_id: &str,
    ) -> PortResult<Option<Check>>;

    /// Makes a check; its id.
    async fn create_check(&self, repository: &Repository, check: &NewCheck) -> PortResult<u64>;

    /// Brings a check to what it should show.
    async fn update_check(&self, repository: &Repository, id: u64, check: &NewCheck) -> PortResult<()>;

    /// Deployments to an environment, newest first.
    async fn deployments(&self, repository: &Repository, environment: &str) -> PortResult<Vec<Deployment>>;

    /// Makes a deployment; its id.
    async fn create_deployment(&self, repository: &Repository, deployment: &NewDeployment) -> PortResult<u64>;

    /// Sets where a deployment is.
    async fn set_deployment(
        &self,
        repository: &Repository,
        id: u64,
        state: DeploymentState,
        url: Option<&str>,
        log_url: Option<&str>,
        description: &str,
    ) -> PortResult<()>;

    /// Removes an inactive deployment; a missing or forbidden one is fine.
    async fn delete_deployment(&self, repository: &Repository, id: u64) -> PortResult<()>;

    /// Removes the forge's own environment where we may; a missing or forbidden one is fine.
    async fn delete_environment(&self, repository: &Repository, environment: &str) -> PortResult<()>;
}
