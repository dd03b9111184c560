//! A person's own repository as the source: each environment is a worktree of it, on a branch of its own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::on_machine::unusable;
use super::source::CodeSource;
use crate::domain::change::Sha;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::CreateRequest;
use crate::outbound::tool::{Output, Tool};

/// How long a look at a repository may take.
const QUICK: Duration = Duration::from_secs(20);
/// How long a checkout may take.
const CHECKOUT: Duration = Duration::from_mins(10);

/// git in a person's repository, in that person's name.
#[derive(Clone)]
pub struct WorktreeSource {
    folder: PathBuf,
    variables: BTreeMap<String, String>,
    generated: Vec<String>,
}

impl WorktreeSource {
    /// Worktrees of the repository that `folder` is the top of; git gets the person's `variables`.
    #[must_use]
    pub fn new(folder: PathBuf, variables: BTreeMap<String, String>) -> Self {
        Self { folder, variables, generated: Vec::new() }
    }

    /// Files that are written into worktrees and may hold secrets: git is told to ignore them.
    #[must_use]
    pub fn ignoring(self, generated: Vec<String>) -> Self {
        Self { generated, ..self }
    }

    /// The commit that is checked out in a folder; `None` where there is none.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn head(&self, directory: &Path) -> PortResult<Option<Sha>> {
        self.commit_of(directory, "HEAD").await
    }

    /// The commit that a new environment on this branch begins at.
    ///
    /// # Errors
    /// `Invalid` when the folder is no repository with a commit, or the base is unknown.
    pub async fn start_of(&self, branch: &str, base: Option<&str>) -> PortResult<Sha> {
        let first = match base {
            Some(base) => Some(base.to_owned()),
            None => self.existing(branch).await?.map(|existing| existing.reference(branch)),
        };
        let name = first.unwrap_or_else(|| "HEAD".to_owned());
        let found = self.commit_of(&self.folder, &name).await?;
        found.ok_or_else(|| {
            let message = format!("`{name}` is no commit of the repository in {}", self.folder.display());
            PortError::new(ErrorKind::Invalid, message)
        })
    }

    async fn commit_of(&self, directory: &Path, name: &str) -> PortResult<Option<Sha>> {
        if !directory.is_dir() {
            return Ok(None);
        }
        let commit = format!("{name}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
        let output = self.git(directory, &arguments, QUICK, &CancellationToken::new()).await?;
        Ok(if output.succeeded() { output.text().trim().parse().ok() } else { None })
    }

    async fn existing(&self, branch: &str) -> PortResult<Option<Existing>> {
        let own = format!("refs/heads/{branch}");
        let theirs = format!("refs/remotes/origin/{branch}");
        let arguments = ["for-each-ref", "--format=%(refname)", &own, &theirs];
        let found = self.git(&self.folder, &arguments, QUICK, &CancellationToken::new()).await?.text();
        // What is asked for are patterns: names beneath a reference match too.
        let is_there = |(reference, _): &(String, Existing)| found.lines().any(|line| line == reference);
        let known = [(own, Existing::Local), (theirs, Existing::Remote)].into_iter().find(is_there);
        Ok(known.map(|(_, kind)| kind))
    }

    async fn add(&self, directory: &Path, request: &CreateRequest, cancel: &CancellationToken) -> PortResult<()> {
        let branch = request.branch.as_str();
        // A worktree whose folder was removed by hand still holds its branch.
        let prune = self.git(&self.folder, &["worktree", "prune"], QUICK, cancel);
        let (pruned, legal, existing) = tokio::join!(prune, self.refuse_bad_branch(branch), self.existing(branch));
        legal?;
        pruned?;
        let existing = existing?;
        let path = directory.to_string_lossy();
        let arguments: Vec<&str> = match (existing, request.base.as_deref()) {
            (Some(Existing::Local), Some(base)) => {
                let message = format!("branch `{branch}` exists already: leave out --base {base} to use it");
                return Err(PortError::new(ErrorKind::Invalid, message));
            }
            (Some(Existing::Local), None) => vec!["worktree", "add", "--", &path, branch],
            (Some(Existing::Remote), None) => {
                let theirs = format!("origin/{branch}");
                return self
                    .succeed(&["worktree", "add", "--track", "-b", branch, "--", &path, &theirs], cancel)
                    .await;
            }
            (_, Some(base)) => vec!["worktree", "add", "-b", branch, "--", &path, base],
            (None, None) => vec!["worktree", "add", "-b", branch, "--", &path],
        };
        self.succeed(&arguments, cancel).await
    }

    async fn refuse_bad_branch(&self, branch: &str) -> PortResult<()> {
        let reference = format!("refs/heads/{branch}");
        let arguments = ["check-ref-format", &reference];
        let legal = !branch.starts_with('-')
            && self.git(&self.folder, &arguments, QUICK, &CancellationToken::new()).await?.succeeded();
        if legal {
            return Ok(());
        }
        let shown: String = branch.chars().flat_map(char::escape_debug).collect();
        let message = format!("`{shown}` is no name that git takes for a branch: give another with --branch");
        Err(PortError::new(ErrorKind::Invalid, message))
    }

    async fn succeed(&self, arguments: &[&str], cancel: &CancellationToken) -> PortResult<()> {
        let output = self.git(&self.folder, arguments, CHECKOUT, cancel).await?;
        if output.succeeded() {
            return Ok(());
        }
        let message = format!("git worktree add failed: {}", output.complaint());
        Err(PortError::new(ErrorKind::Invalid, message))
    }

    /// The worktree that is there already, when it is one of this repository on this branch.
    async fn is_there(&self, directory: &Path, branch: &str) -> PortResult<bool> {
        let occupied = directory.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if !occupied {
            return Ok(false);
        }
        let common = |output: &Output| PathBuf::from(output.text().trim()).canonicalize().ok();
        let arguments = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
        let none = CancellationToken::new();
        let theirs = self.git(directory, &arguments, QUICK, &none).await?;
        let ours = self.git(&self.folder, &arguments, QUICK, &none).await?;
        let head = self.git(directory, &["symbolic-ref", "--quiet", "--short", "HEAD"], QUICK, &none).await?;
        if theirs.succeeded() && common(&theirs) == common(&ours) && head.text().trim() == branch {
            return Ok(true);
        }
        let message = format!(
            "{} is there already and is no worktree of this repository on branch `{branch}`: move it away",
            directory.display()
        );
        Err(PortError::new(ErrorKind::Invalid, message))
    }

    /// Submodules are fetched as far as they can be: a project may do without them.
    async fn submodules(&self, directory: &Path, cancel: &CancellationToken) {
        if !directory.join(".gitmodules").is_file() {
            return;
        }
        let arguments = ["submodule", "update", "--init", "--recursive"];
        match self.git(directory, &arguments, CHECKOUT, cancel).await {
            Ok(output) if output.succeeded() => {}
            Ok(output) => tracing::warn!(complaint = output.complaint(), "submodules are incomplete"),
            Err(error) => tracing::warn!(error = %error.chain(), "submodules are incomplete"),
        }
    }

    /// Adds what is generated to the repository's own list of ignored files (`info/exclude`), once.
    async fn ignore_generated(&self) -> PortResult<()> {
        let arguments = ["rev-parse", "--path-format=absolute", "--git-path", "info/exclude"];
        let output = self.git(&self.folder, &arguments, QUICK, &CancellationToken::new()).await?;
        let path = PathBuf::from(output.text().trim());
        if !output.succeeded() || self.generated.is_empty() {
            return Ok(());
        }
        add_lines(&path, &self.generated).map_err(|error| unusable(&path, error))
    }

    /// Refuses a worktree in which tracked files were changed and not committed: removing it would lose them.
    ///
    /// # Errors
    /// `Conflict` naming the first of them.
    pub async fn refuse_changes(&self, directory: &Path) -> PortResult<()> {
        if !directory.is_dir() {
            return Ok(());
        }
        let arguments = ["status", "--porcelain", "--untracked-files=no"];
        let output = self.git(directory, &arguments, QUICK, &CancellationToken::new()).await?;
        let changed = output.text();
        if !output.succeeded() || changed.trim().is_empty() {
            return Ok(());
        }
        let first: Vec<&str> = changed.lines().take(3).map(|line| line.get(3..).unwrap_or(line)).collect();
        let message = format!(
            "{} has changes that are not committed ({}): commit them, or discard them with --force",
            directory.display(),
            first.join(", ")
        );
        Err(PortError::new(ErrorKind::Conflict, message))
    }

    async fn git(
        &self,
        directory: &Path,
        arguments: &[&str],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> PortResult<Output> {
        let tool = Tool {
            program: "git",
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: self.variables.clone(),
            directory: Some(directory.to_owned()),
            timeout,
            ..Tool::default()
        };
        tool.run(cancel).await
    }
}

/// A branch that is there before the worktree is.
#[derive(Debug, Clone, Copy)]
enum Existing {
    Local,
    Remote,
}

impl Existing {
    fn reference(self, branch: &str) -> String {
        match self {
            Self::Local => format!("refs/heads/{branch}"),
            Self::Remote => format!("refs/remotes/origin/{branch}"),
        }
    }
}

fn add_lines(path: &Path, wanted: &[String]) -> std::io::Result<()> {
    let present = match std::fs::read_to_string(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        text => text.unwrap_or_default(),
    };
    let missing: Vec<&String> =
        wanted.iter().filter(|line| !present.lines().any(|have| have == line.as_str())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut text = String::new();
    if !present.is_empty() && !present.ends_with('\n') {
        text.push('\n');
    }
    text.push_str("# Written by previewbot into its environments; may hold secrets.\n");
    for line in missing {
        text.push_str(line);
        text.push('\n');
    }
    std::fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

#[async_trait]
impl CodeSource for WorktreeSource {
    fn follows_a_commit(&self) -> bool {
        false
    }

    async fn make(&self, directory: &Path, request: &CreateRequest, cancel: &CancellationToken) -> PortResult<()> {
        if !self.is_there(directory, &request.branch).await? {
            if let Some(parent) = directory.parent() {
                std::fs::create_dir_all(parent).map_err(|error| unusable(parent, error))?;
            }
            self.add(directory, request, cancel).await?;
            self.submodules(directory, cancel).await;
        }
        self.ignore_generated().await
    }

    async fn sync(&self, _directory: &Path, _cancel: &CancellationToken) -> PortResult<()> {
        Ok(())
    }

    async fn remove(&self, directory: &Path) -> PortResult<()> {
        let none = CancellationToken::new();
        if directory.exists() {
            let path = directory.to_string_lossy();
            let arguments = ["worktree", "remove", "--force", "--force", "--", &path];
            let output = self.git(&self.folder, &arguments, CHECKOUT, &none).await?;
            if !output.succeeded() && directory.exists() {
                let message = format!("folder {}: {}", directory.display(), output.complaint());
                return Err(PortError::new(ErrorKind::Invalid, message));
            }
        }
        self.git(&self.folder, &["worktree", "prune"], QUICK, &none).await.map(drop)
    }
}
