//! The forge's nouns: repositories, changes (pull and merge requests), accounts and rights.
//!
//! Every constructor parses: a value of one of these types is safe to hand to git, SQL and a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A word from outside that is not what its type promises.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{what} `{value}` is not valid: {why}")]
pub struct NameError {
    /// Which kind of name was refused.
    pub what: &'static str,
    /// The refused text, shortened and with control characters escaped.
    pub value: String,
    /// What the text would have to look like.
    pub why: &'static str,
}

impl NameError {
    /// Builds the error; the offending text is escaped and cut so that it can be shown anywhere.
    #[must_use]
    pub fn new(what: &'static str, value: &str, why: &'static str) -> Self {
        let value = value.chars().take(80).flat_map(char::escape_debug).collect();
        Self { what, value, why }
    }
}

/// Which kind of forge a thing lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// github.com or a GitHub Enterprise Server.
    Github,
    /// gitlab.com or a self-managed GitLab.
    Gitlab,
    /// None: a folder on this machine, whose environments are made at a terminal.
    Folder,
}

impl ForgeKind {
    /// The word used in settings, tables and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Folder => "folder",
        }
    }

    /// The prefix of a change's environment: `pr` on GitHub, `mr` on GitLab. A folder has no changes.
    #[must_use]
    pub const fn environment_prefix(self) -> &'static str {
        match self {
            Self::Github => "pr",
            Self::Gitlab => "mr",
            Self::Folder => "env",
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ForgeKind {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "github" => Ok(Self::Github),
            "gitlab" => Ok(Self::Gitlab),
            "folder" => Ok(Self::Folder),
            other => Err(NameError::new("forge", other, "it must be `github` or `gitlab`")),
        }
    }
}

/// The forge's own numeric id of a repository: survives renames and transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepositoryId(pub u64);

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `owner/name`, or on GitLab `group/sub/name`: what people call a repository today.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName(String);

impl RepoName {
    /// The full path, `owner/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Everything before the last `/`.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(owner, _)| owner)
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }
}

impl FromStr for RepoName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHY: &str = "it must be owner/name of letters, digits, `-`, `_` and `.`";
        let refused = || NameError::new("repository", text, WHY);
        if text.len() > 512 || !text.contains('/') {
            return Err(refused());
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        for segment in text.split('/') {
            let hidden = segment.is_empty() || segment == "." || segment == ".." || segment.starts_with('-');
            if hidden || !segment.chars().all(legal) {
                return Err(refused());
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for RepoName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<RepoName> for String {
    fn from(name: RepoName) -> Self {
        name.0
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a pull request, or a merge request's iid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeNumber(pub u64);

impl fmt::Display for ChangeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A full commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha(String);

impl Sha {
    /// All digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for Sha {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new("commit id", text, "it must be 40 or 64 lower-case hexadecimal digits"))
        }
    }
}

impl TryFrom<String> for Sha {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        sha.0
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user or bot account on the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The login name, shown to people (escape it first).
    pub login: String,
    /// The forge's numeric id.
    pub id: u64,
    /// Whether the forge says that this account is a bot or an app.
    #[serde(default)]
    pub is_bot: bool,
}

/// A repository and how to reach it: everything that a forge call about it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// On which kind of forge it lives.
    pub forge: ForgeKind,
    /// The forge's numeric id.
    pub id: RepositoryId,
    /// What it is called now.
    pub name: RepoName,
    /// GitHub: the App installation that grants access to it. `None` when the delivery did not say;
    /// the adapter then asks for it.
    #[serde(default)]
    pub installation: Option<u64>,
}

/// Which change something is about: enough to ask the forge for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRef {
    /// The repository that the change wants to go into.
    pub repository: Repository,
    /// Its number there.
    pub number: ChangeNumber,
}

impl ChangeRef {
    /// A key that is the same for every event about this change: `github:5001#42`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}#{}", self.repository.forge, self.repository.id, self.number)
    }

    /// The name of the environment that shows this change, `pr-42` or `mr-42`.
    #[must_use]
    pub fn environment_name(&self) -> super::environment::EnvName {
        super::environment::EnvName::of_change(self.repository.forge, self.number)
    }
}

/// Whether a change still wants to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeState {
    /// Open, draft or not.
    Open,
    /// Closed without being merged.
    Closed,
    /// Merged.
    Merged,
}

/// Where a change comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The newest commit.
    pub sha: Sha,
    /// The branch's name as the author wrote it: hostile text, for display and `PREVIEWCTL_BRANCH` only.
    pub branch: String,
    /// The repository it lives in; `None` when that was deleted (fails closed: treated as a fork).
    pub repository: Option<RepositoryId>,
}

/// Where a change wants to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The commit of the base branch that the forge reports.
    pub sha: Sha,
    /// The branch's name.
    pub branch: String,
}

/// A change as the forge has it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its number.
    pub number: ChangeNumber,
    /// Its title: hostile text.
    pub title: String,
    /// Who opened it.
    pub author: Account,
    /// Open, closed or merged.
    pub state: ChangeState,
    /// Whether it is a draft.
    pub draft: bool,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Where it comes from.
    pub head: Head,
    /// Where it wants to go.
    pub base: Base,
}

impl Change {
    /// Whether head and base are surely in the same repository. A missing head repository is not.
    #[must_use]
    pub fn same_repository(&self, base: RepositoryId) -> bool {
        self.head.repository == Some(base)
    }
}

/// What an account may do in a repository, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Nothing, or unknown.
    None,
    /// May read (GitLab: Guest).
    Read,
    /// May triage (GitLab: Reporter).
    Triage,
    /// May push (GitLab: Developer).
    Write,
    /// May maintain (GitLab: Maintainer).
    Maintain,
    /// May administer (GitLab: Owner).
    Admin,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        })
    }
}

/// The files of a change, as far as the forge lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangedFiles {
    /// Paths that are written, removed or renamed; of a renamed file both.
    pub paths: Vec<String>,
    /// Whether there may be more: forges cut long lists.
    pub is_cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_options_or_paths_are_refused() {
        for bad in ["", "a", "/a", "a/", "a/..", "../a", "-x/y", "a/-x", "a/b c", "a/$(x)", "a//b", "a/b\n"] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad:?}");
        }
        assert_eq!("group/sub/app".parse::<RepoName>().unwrap().owner(), "group/sub");
    }

    #[test]
    fn only_full_lower_case_commit_ids_are_shas() {
        assert!("a".repeat(40).parse::<Sha>().is_ok());
        for bad in ["a".repeat(39), "A".repeat(40), format!("--{}", "a".repeat(38)), String::new()] {
            assert!(bad.parse::<Sha>().is_err(), "{bad:?}");
        }
    }
}
