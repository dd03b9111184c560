//! What the stand-in knows: its App, repositories with everything in them, tokens, and what happened so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::auth::AppKey;
use super::checks::FakeCheck;
use super::comments::FakeComment;
use super::deployments::FakeDeployment;
use super::faults::Fault;
use super::pulls::FakePull;
use super::webhooks::{Delivery, WebhookTarget};
use crate::domain::ports::Clock;

/// What can go wrong on the stand-in's own side.
#[derive(Debug, thiserror::Error)]
pub enum FakeError {
    /// The listener or a file.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// git said no.
    #[error("git {command} failed in {directory}: {message}")]
    Git {
        /// Its arguments.
        command: String,
        /// Where.
        directory: String,
        /// Its words.
        message: String,
    },
    /// A person acted on something that is not there.
    #[error("the stand-in has no {0}")]
    Missing(String),
    /// The key pair could not be made.
    #[error("cannot make the App's key pair")]
    Key,
}

/// Result of the stand-in's own calls.
pub type FakeResult<T> = Result<T, FakeError>;

/// A repository to be added.
#[derive(Debug, Clone)]
pub struct RepositorySpec {
    /// `owner/name`.
    pub name: String,
    /// GitHub's numeric id.
    pub id: u64,
    /// The bare repository on disk; without one commits are made up and have no files.
    pub git_dir: Option<PathBuf>,
    /// Id of the repository that it is a fork of. The App is not installed on forks.
    pub fork_of: Option<u64>,
}

impl RepositorySpec {
    /// A repository of its own, with the App installed.
    #[must_use]
    pub fn new(name: &str, id: u64) -> Self {
        Self { name: name.to_owned(), id, git_dir: None, fork_of: None }
    }

    /// Where its commits are.
    #[must_use]
    pub fn with_git(mut self, git_dir: &Path) -> Self {
        self.git_dir = Some(git_dir.to_owned());
        self
    }

    /// Makes it a fork.
    #[must_use]
    pub const fn forked_from(mut self, parent: u64) -> Self {
        self.fork_of = Some(parent);
        self
    }
}

/// One request that was received.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Decoded query.
    pub query: BTreeMap<String, String>,
    /// Body, null when there was none or it was no JSON.
    pub body: Value,
    /// Status that was answered; 0 when nothing was.
    pub status: u16,
    /// Whether no such route exists here.
    pub unexpected: bool,
}

/// A repository with everything in it.
pub(super) struct FakeRepository {
    pub(super) spec: RepositorySpec,
    pub(super) default_branch: String,
    pub(super) permissions: BTreeMap<String, String>,
    pub(super) pulls: BTreeMap<u64, FakePull>,
    pub(super) issues: BTreeSet<u64>,
    pub(super) comments: BTreeMap<u64, FakeComment>,
    pub(super) checks: BTreeMap<u64, FakeCheck>,
    pub(super) deployments: BTreeMap<u64, FakeDeployment>,
    pub(super) environments: BTreeSet<String>,
    pub(super) deleted: bool,
}

impl FakeRepository {
    /// A new, empty one.
    pub(super) fn new(spec: RepositorySpec) -> Self {
        Self {
            spec,
            default_branch: "main".to_owned(),
            permissions: BTreeMap::new(),
            pulls: BTreeMap::new(),
            issues: BTreeSet::new(),
            comments: BTreeMap::new(),
            checks: BTreeMap::new(),
            deployments: BTreeMap::new(),
            environments: BTreeSet::new(),
            deleted: false,
        }
    }

    /// The account that owns it.
    pub(super) fn owner(&self) -> &str {
        self.spec.name.split('/').next().unwrap_or_default()
    }

    /// The next number of an issue or pull request.
    pub(super) fn next_number(&self) -> u64 {
        let pulls = self.pulls.keys().next_back().copied().unwrap_or(0);
        pulls.max(self.issues.iter().next_back().copied().unwrap_or(0)) + 1
    }

    /// The commit that a branch is at; an invented one without a git repository.
    pub(super) fn resolve(&self, branch: &str) -> FakeResult<String> {
        match &self.spec.git_dir {
            None => Ok("0".repeat(40)),
            Some(directory) => {
                git(directory, &["rev-parse", "--verify", "--end-of-options", &format!("refs/heads/{branch}")])
            }
        }
    }
}

/// Runs git in a bare repository and returns its trimmed output.
pub(super) fn git(directory: &Path, arguments: &[&str]) -> FakeResult<String> {
    let failed = |message: String| FakeError::Git {
        command: arguments.join(" "),
        directory: directory.display().to_string(),
        message,
    };
    let output = Command::new("git")
        .arg("--git-dir")
        .arg(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// An installation token.
pub(super) struct Token {
    pub(super) expires_at: Timestamp,
    /// Repositories that it was narrowed to; `None` = all of the installation.
    pub(super) repositories: Option<BTreeSet<u64>>,
}

/// Everything.
pub(super) struct World {
    pub(super) app_id: u64,
    pub(super) app_slug: String,
    pub(super) installation: u64,
    pub(super) key: AppKey,
    pub(super) base_url: String,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the App was given Administration: write, which deleting environments needs.
    pub(super) administration: bool,
    pub(super) repositories: BTreeMap<u64, FakeRepository>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) requests: Vec<RecordedRequest>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) webhook: Option<WebhookTarget>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) last_id: u64,
}

impl World {
    /// A fresh id, unique over all kinds.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Now, as GitHub writes it.
    pub(super) fn now(&self) -> String {
        stamp(self.clock.now())
    }

    /// The App's own account, as it appears under what it wrote.
    pub(super) fn bot_login(&self) -> String {
        format!("{}[bot]", self.app_slug)
    }

    /// A repository by `owner/name`, whatever the case.
    pub(super) fn find(&self, name: &str) -> Option<u64> {
        let found = self.repositories.values().find(|r| r.spec.name.eq_ignore_ascii_case(name) && !r.deleted);
        found.map(|repository| repository.spec.id)
    }

    /// A repository that a test or person names.
    pub(super) fn named(&mut self, name: &str) -> FakeResult<&mut FakeRepository> {
        self.find(name)
            .and_then(|id| self.repositories.get_mut(&id))
            .ok_or_else(|| FakeError::Missing(format!("repository {name}")))
    }
}

/// A time as GitHub writes it.
pub(super) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
