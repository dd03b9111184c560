//! The environment as the bot keeps it: what it should be, who said so, and the counters that order changes.

mod names;

pub use names::{EnvName, Slug};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::change::{Change, ChangeNumber, ChangeRef, NameError, Repository, Sha};
use super::entry::EnvironmentEntry;
use super::project::policy::{CommentMode, Terms};
use super::trust::{Approval, Trust};

/// Row id of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectId(pub i64);

/// Row id of an environment; stays the same over all its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentId(pub i64);

/// The id of one life of an environment: made when it is wanted, gone when it is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LifeId(pub uuid::Uuid);

impl fmt::Display for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A repository that previews are made of, as the bot knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Row id.
    pub id: ProjectId,
    /// The bot's own unique short name for it.
    pub slug: Slug,
    /// The repository behind it.
    pub repository: Repository,
}

/// What an environment should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Desired {
    /// It should run this commit.
    Running {
        /// The commit.
        commit: Sha,
    },
    /// It should be kept, but not run.
    Stopped,
    /// It should not exist.
    Absent,
}

impl Desired {
    /// The word in tables: `running`, `stopped`, `absent`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Stopped => "stopped",
            Self::Absent => "absent",
        }
    }

    /// The wanted commit, where one is wanted.
    #[must_use]
    pub const fn commit(&self) -> Option<&Sha> {
        match self {
            Self::Running { commit } => Some(commit),
            Self::Stopped | Self::Absent => None,
        }
    }
}

/// Why desired is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The change is open and the policy wants a preview.
    Change,
    /// A person asked for it with a command or a button.
    Command,
    /// The change was merged.
    Merged,
    /// The change was closed.
    Closed,
    /// The policy says that this change gets no preview.
    Policy,
    /// Trust must be given first.
    Untrusted,
    /// It lived its time.
    Expired,
    /// It used too much of its host's disk.
    Disk,
    /// The project is no longer ours to preview.
    Removed,
}

impl Cause {
    /// The word in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Command => "command",
            Self::Merged => "merged",
            Self::Closed => "closed",
            Self::Policy => "policy",
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
            Self::Disk => "disk",
            Self::Removed => "removed",
        }
    }
}

impl FromStr for Cause {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        serde_json::from_value(serde_json::Value::String(text.to_owned()))
            .map_err(|_| NameError::new("cause", text, "it is not a known cause"))
    }
}

/// How a job of an environment failed, as the report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The failing step, `deploy` when none had begun.
    pub step: String,
    /// One sentence: what failed and what to do.
    pub message: String,
    /// The hook's exit code, where a hook ended with one.
    pub exit_code: Option<i32>,
    /// The last lines of the step's output, redacted, at most 15.
    pub log_tail: Vec<String>,
    /// Places in the repository that are at fault. Rows of older versions hold at most one, as `annotation`.
    #[serde(default, alias = "annotation", deserialize_with = "one_or_many")]
    pub annotations: Vec<Annotation>,
    /// What was left behind, where the failure is an incomplete destroy.
    #[serde(default)]
    pub left_behind: Vec<String>,
}

/// The step of a failure that is none: somebody gave the work up.
const CANCELLED: &str = "cancelled";

impl Failure {
    /// What stands where work was given up, and why.
    #[must_use]
    pub fn cancelled(why: String) -> Self {
        Self {
            step: CANCELLED.to_owned(),
            message: why,
            exit_code: None,
            log_tail: Vec::new(),
            annotations: Vec::new(),
            left_behind: Vec::new(),
        }
    }

    /// Whether somebody gave the work up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.step == CANCELLED
    }
}

/// A place in the repository that a check points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// Path from the repository's root.
    pub path: String,
    /// Line, counted from 1.
    pub line: u64,
    /// Column in characters, counted from 1, where it is known.
    #[serde(default)]
    pub column: Option<u64>,
    /// How bad it is.
    #[serde(default)]
    pub level: AnnotationLevel,
    /// What is wrong there.
    pub message: String,
}

/// How bad what an annotation tells is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnnotationLevel {
    /// It fails the check.
    #[default]
    Failure,
    /// It is worth a look.
    Warning,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Annotation>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Many(Vec<Annotation>),
        One(Option<Annotation>),
    }
    Ok(match Stored::deserialize(deserializer)? {
        Stored::Many(annotations) => annotations,
        Stored::One(annotation) => annotation.into_iter().collect(),
    })
}

/// One environment, with all that the bot knows of it. It survives the entry's removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Row id.
    pub id: EnvironmentId,
    /// The project it belongs to.
    pub project: Project,
    /// Its name, `pr-42`.
    pub name: EnvName,
    /// The present life; a new one begins when it is wanted again after having been destroyed.
    pub life: LifeId,
    /// The number of the change that it shows.
    pub number: ChangeNumber,
    /// The change as it was last read; `None` before the first read.
    pub change: Option<Change>,
    /// What it should be.
    pub desired: Desired,
    /// Why.
    pub cause: Cause,
    /// Who said so: a login; `None` when nobody in particular did.
    pub actor: Option<String>,
    /// Whether a person's choice holds against pushes until somebody says `deploy`.
    pub sticky: bool,
    /// The sentence that explains desired, for reports and `explain`.
    pub reason: String,
    /// Raised whenever desired changes.
    pub generation: i64,
    /// Raised whenever a worker claims a job of this environment.
    pub epoch: i64,
    /// Raised with every write of this row; a write that names an older one fails.
    pub revision: i64,
    /// Pushes that cancelled a running deploy since one last ended by itself.
    pub push_cancellations: i64,
    /// The core's entry, while something of the environment exists.
    pub entry: Option<EnvironmentEntry>,
    /// The commit that is published now (readiness was probed); `None` when nothing is.
    pub published: Option<Sha>,
    /// Set while the newest deploy or destroy stands as failed.
    pub failure: Option<Failure>,
    /// Published URLs by service, in the order to show them.
    pub urls: Vec<(String, String)>,
    /// When the data was last seeded or reset, ms since the epoch.
    pub seeded_at: Option<i64>,
    /// When `/preview reset` last ended well, ms since the epoch.
    pub reset_at: Option<i64>,
    /// Milliseconds that the last deploy took.
    pub deploy_ms: Option<i64>,
    /// When it will be destroyed for age, ms since the epoch.
    pub expires_at: Option<i64>,
    /// When this life began, ms since the epoch.
    pub created_at: i64,
    /// When the row last changed, ms since the epoch.
    pub updated_at: i64,
    /// When the last life was destroyed wholly, ms since the epoch.
    pub destroyed_at: Option<i64>,
    /// Host it is placed on; `None` before placement.
    pub host: Option<String>,
    /// Whose code the newest decision wants to run.
    pub trust: Trust,
    /// Whose code the present life was placed for; `None` before placement.
    pub life_trust: Option<Trust>,
    /// The leave to run one untrusted commit, while it holds.
    pub approval: Option<Approval>,
    /// What the project's policy says of it.
    pub terms: Terms,
    /// Until when somebody asked that it be kept, ms since the epoch.
    pub kept_until: Option<i64>,
}

impl Environment {
    /// One that nobody wants yet and of which nothing exists.
    #[must_use]
    pub const fn new(
        id: EnvironmentId,
        project: Project,
        name: EnvName,
        life: LifeId,
        number: ChangeNumber,
    ) -> Self {
        Self {
            id,
            project,
            name,
            life,
            number,
            change: None,
            desired: Desired::Absent,
            cause: Cause::Command,
            actor: None,
            sticky: false,
            reason: String::new(),
            generation: 0,
            epoch: 0,
            revision: 0,
            push_cancellations: 0,
            entry: None,
            published: None,
            failure: None,
            urls: Vec::new(),
            seeded_at: None,
            reset_at: None,
            deploy_ms: None,
            expires_at: None,
            created_at: 0,
            updated_at: 0,
            destroyed_at: None,
            host: None,
            trust: Trust::Untrusted,
            life_trust: None,
            approval: None,
            terms: Terms { ttl_ms: None, comment: CommentMode::Always },
            kept_until: None,
        }
    }

    /// Whose code is there, or would be next where nothing is.
    #[must_use]
    pub fn trust_in_force(&self) -> Trust {
        self.life_trust.unwrap_or(self.trust)
    }

    /// Whether untrusted code is there, or would be next.
    #[must_use]
    pub fn is_untrusted(&self) -> bool {
        self.trust_in_force() == Trust::Untrusted
    }

    /// Whether what is there was made for another trust than what is wanted: it cannot become that, and has to go first.
    #[must_use]
    pub fn is_outlived(&self) -> bool {
        self.life_trust.is_some_and(|made_for| made_for != self.trust)
    }

    /// What people call it: the entry's own name where that is not plain enough for the row.
    #[must_use]
    pub fn called(&self) -> String {
        let own = self.entry.as_ref().map(|entry| entry.name.as_str()).filter(|name| !name.is_empty());
        own.unwrap_or(self.name.as_str()).to_owned()
    }

    /// The change that this environment shows.
    #[must_use]
    pub fn change_ref(&self) -> ChangeRef {
        ChangeRef { repository: self.project.repository.clone(), number: self.number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_older_versions_stored_can_be_read() {
        let row = |annotation: &str| {
            let text = format!(
                r#"{{"step":"deploy","message":"m","exit_code":null,"log_tail":[],{annotation}"left_behind":[]}}"#
            );
            serde_json::from_str::<Failure>(&text).unwrap().annotations
        };
        let place =
            |column, level| Annotation { path: "f".to_owned(), line: 3, column, level, message: "bad".to_owned() };
        assert!(row("").is_empty() && row(r#""annotation":null,"#).is_empty());
        let old = row(r#""annotation":{"path":"f","line":3,"message":"bad"},"#);
        assert_eq!(old, [place(None, AnnotationLevel::Failure)]);
        let new = row(r#""annotations":[{"path":"f","line":3,"column":7,"level":"warning","message":"bad"}],"#);
        assert_eq!(new, [place(Some(7), AnnotationLevel::Warning)]);
    }
}
