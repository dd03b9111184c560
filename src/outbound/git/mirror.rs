//! Bare mirrors, one per repository, that hold exactly the commits that environments need.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use super::checkout::Checkout;
use super::command::Git as GitProcess;
use super::weight::weigh;
use super::{failure, path};
use crate::domain::change::{ForgeKind, Repository, Sha};
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{CheckoutLimits, Git};
use crate::outbound::file_work::apart;

/// Everything that a forge shows of a repository, for servers that give no commit by its id.
const EVERYTHING: [&str; 3] = [
    "+refs/heads/*:refs/previewbot-all/heads/*",
    "+refs/pull/*/head:refs/previewbot-all/pull/*",
    "+refs/merge-requests/*/head:refs/previewbot-all/merge-requests/*",
];

/// Mirrors in one folder.
#[derive(Debug)]
pub struct MirrorGit {
    mirrors: PathBuf,
    bases: BTreeMap<ForgeKind, String>,
    limits: CheckoutLimits,
    locks: Mutex<HashMap<PathBuf, Locks>>,
}

/// The locks of one mirror. Whoever needs both takes `fetching` first.
#[derive(Debug, Clone, Default)]
struct Locks {
    /// One at a time downloads; that may take long.
    fetching: Arc<AsyncMutex<()>>,
    /// One at a time changes references and checkouts; that never waits for another machine.
    writing: Arc<AsyncMutex<()>>,
}

/// What is to be downloaded.
struct Download<'a> {
    repository: &'a Repository,
    commit: &'a Sha,
    token: Option<&'a SecretString>,
    cancel: &'a CancellationToken,
}

/// Where a commit is pushed to.
#[derive(Debug, Clone)]
pub struct Push {
    /// The `ssh` command, a line for git's shell.
    pub command: String,
    /// `user@address:path`.
    pub url: String,
    /// The reference that keeps the commit there.
    pub reference: String,
}

/// One file in a commit.
struct Blob {
    id: String,
    size: u64,
}

impl MirrorGit {
    /// Mirrors in `<data>/mirrors`, cloned from `{base}/{owner}/{repo}.git` with each forge's `git_url` as base.
    /// No commit is kept whose checkout would be more than `limits`.
    #[must_use]
    pub fn new(data: &Path, bases: BTreeMap<ForgeKind, String>, limits: CheckoutLimits) -> Self {
        Self { mirrors: data.join("mirrors"), bases, limits, locks: Mutex::default() }
    }

    fn mirror(&self, repository: &Repository) -> PathBuf {
        self.mirrors.join(format!("{}-{}.git", repository.forge, repository.id))
    }

    fn git(&self, mirror: &Path) -> GitProcess {
        GitProcess::at(mirror, &self.home())
    }

    fn home(&self) -> PathBuf {
        self.mirrors.join("home")
    }

    fn url(&self, repository: &Repository) -> PortResult<String> {
        let base = self.bases.get(&repository.forge).ok_or_else(|| {
            let forge = repository.forge;
            PortError::new(
                ErrorKind::Invalid,
                format!("{forge}.git_url is not set, so {} cannot be fetched", repository.name),
            )
        })?;
        Ok(format!("{}/{}.git", base.trim_end_matches('/'), repository.name))
    }

    fn locks(&self, mirror: &Path) -> Locks {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(mirror.to_owned()).or_default().clone()
    }

    async fn writing(&self, mirror: &Path) -> OwnedMutexGuard<()> {
        self.locks(mirror).writing.lock_owned().await
    }

    /// Makes an empty mirror where there is none.
    async fn ensure(&self, mirror: &Path) -> PortResult<()> {
        let _writing = self.writing(mirror).await;
        if mirror.join("HEAD").exists() {
            return Ok(());
        }
        let make = || {
            std::fs::create_dir_all(self.home())?;
            std::fs::create_dir_all(mirror)?;
            // The mirror has the code of private repositories.
            std::fs::set_permissions(mirror, std::fs::Permissions::from_mode(0o700))
        };
        make().map_err(|error| {
            PortError::with_source(ErrorKind::Unavailable, format!("cannot make {}", mirror.display()), error)
        })?;
        self.git(mirror).run("cannot make a mirror", &["init", "--quiet", "--bare", "--template="]).await?;
        Ok(())
    }

    async fn has(&self, mirror: &Path, commit: &Sha) -> PortResult<bool> {
        let object = format!("{commit}^{{commit}}");
        Ok(self.git(mirror).output(&["cat-file", "-e", &object]).await?.succeeded())
    }

    /// Makes sure that the mirror has the commit. Only those who download wait for each other.
    async fn obtain(&self, wanted: &Download<'_>) -> PortResult<()> {
        let Download { repository, commit, cancel, .. } = *wanted;
        let mirror = self.mirror(repository);
        if self.has(&mirror, commit).await? {
            return Ok(());
        }
        let fetching = self.locks(&mirror).fetching;
        let _fetching = tokio::select! {
            fetching = fetching.lock() => fetching,
            () = cancel.cancelled() => {
                let message = format!("fetching {} of {} was cancelled", commit.short(), repository.name);
                return Err(PortError::new(ErrorKind::Cancelled, message));
            }
        };
        // Whoever was waited for may have brought it.
        if self.has(&mirror, commit).await? {
            return Ok(());
        }
        remove_unfinished_packs(&mirror).await;
        self.download(wanted).await?;
        if self.has(&mirror, commit).await? {
            return Ok(());
        }
        let (short, name) = (commit.short(), &repository.name);
        let why = "was the head repository deleted or the branch force-pushed?";
        Err(PortError::new(ErrorKind::NotFound, format!("commit {short} is no longer in {name}: {why}")))
    }

    /// Pushes a commit that the mirror has to another repository, however long that takes.
    ///
    /// # Errors
    /// `Unavailable` when the other side cannot be reached or is full, `Cancelled`.
    pub async fn push(
        &self,
        repository: &Repository,
        commit: &Sha,
        to: &Push,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let mirror = self.mirror(repository);
        let what = format!("cannot push {} of {}", commit.short(), repository.name);
        let reference = format!("+{commit}:{}", to.reference);
        let arguments = ["push", "--quiet", "--no-verify", "--end-of-options", &to.url, &reference];
        self.git(&mirror).ssh(&to.command).over_the_network(cancel).run(&what, &arguments).await.map(drop)
    }

    /// Fetches the commit by its id, or everything where the server gives no commit by id.
    async fn download(&self, wanted: &Download<'_>) -> PortResult<()> {
        let Download { repository, commit, token, cancel } = *wanted;
        let mirror = self.mirror(repository);
        let url = self.url(repository)?;
        let what = format!("cannot fetch {} of {}", commit.short(), repository.name);
        let base = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--end-of-options",
            &url,
        ];
        let exact = [&base[..], &[commit.as_str()]].concat();
        let git = || self.git(&mirror).token(token).over_the_network(cancel);
        let mut output = git().output(&exact).await?;
        if !output.succeeded() && failure::is_unadvertised(&output.complaint()) {
            let everything = [&base[..], &EVERYTHING[..]].concat();
            output = git().output(&everything).await?;
        }
        if output.succeeded() { Ok(()) } else { Err(failure::classify_fetch(&what, &output.complaint())) }
    }

    /// What is at a path of a commit; links and folders are nothing.
    async fn blob(&self, mirror: &Path, commit: &Sha, path: &str) -> PortResult<Option<Blob>> {
        let arguments = ["ls-tree", "-z", "-l", "--full-tree", commit.as_str(), "--", path];
        let listing =
            self.git(mirror).run(&format!("cannot read {path} at {}", commit.short()), &arguments).await?;
        let listing = listing.text();
        let Some((fields, _)) = listing.split_once('\t') else { return Ok(None) };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ["100644" | "100755", "blob", id, size] = fields[..] else {
            tracing::warn!(path, commit = commit.as_str(), "not a regular file, so it is not read");
            return Ok(None);
        };
        Ok(Some(Blob { id: id.to_owned(), size: size.parse().unwrap_or(u64::MAX) }))
    }
}

#[async_trait]
impl Git for MirrorGit {
    async fn fetch(
        &self,
        repository: &Repository,
        commit: &Sha,
        life: LifeId,
        token: Option<&SecretString>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let mirror = self.mirror(repository);
        self.ensure(&mirror).await?;
        self.obtain(&Download { repository, commit, token, cancel }).await?;
        let reference = keeping(life, commit);
        // One that is kept was weighed.
        if !mirror.join(&reference).exists() {
            weigh(self.git(&mirror), commit, self.limits, cancel).await?;
        }
        let _writing = self.writing(&mirror).await;
        // A lock that a crash left: this process is the only writer.
        let _ = std::fs::remove_file(mirror.join(format!("{reference}.lock")));
        self.git(&mirror).run("cannot keep a commit", &["update-ref", &reference, commit.as_str()]).await?;
        Ok(())
    }

    async fn read_file(
        &self,
        repository: &Repository,
        commit: &Sha,
        path: &str,
        limit: u64,
    ) -> PortResult<Option<Vec<u8>>> {
        let mirror = self.mirror(repository);
        let path = &path::within(path)?;
        let Some(blob) = self.blob(&mirror, commit, path).await? else { return Ok(None) };
        if blob.size > limit {
            let message =
                format!("{path} at {} has {} bytes; at most {limit} are read", commit.short(), blob.size);
            return Err(PortError::new(ErrorKind::Invalid, message));
        }
        let output =
            self.git(&mirror).run(&format!("cannot read {path}"), &["cat-file", "blob", &blob.id]).await?;
        Ok(Some(output.stdout))
    }

    async fn checkout(&self, repository: &Repository, commit: &Sha, directory: &Path) -> PortResult<()> {
        let mirror = self.mirror(repository);
        let _writing = self.writing(&mirror).await;
        if self.blob(&mirror, commit, ".gitmodules").await?.is_some() {
            tracing::warn!(repository = %repository.name, "submodules are not supported: their folders stay empty");
        }
        Checkout { mirror: &mirror, home: &self.home(), folder: directory }.bring_to(commit).await
    }

    async fn checked_out(&self, repository: &Repository, directory: &Path) -> PortResult<Option<Sha>> {
        let mirror = self.mirror(repository);
        Checkout { mirror: &mirror, home: &self.home(), folder: directory }.head()
    }

    async fn remove_checkout(&self, repository: &Repository, directory: &Path) -> PortResult<()> {
        let mirror = self.mirror(repository);
        let writing = self.writing(&mirror).await;
        Checkout { mirror: &mirror, home: &self.home(), folder: directory }.remove(writing).await
    }

    async fn release(&self, repository: &Repository, life: LifeId) -> PortResult<()> {
        let mirror = self.mirror(repository);
        if !mirror.exists() {
            return Ok(());
        }
        let _writing = self.writing(&mirror).await;
        let kept = ["for-each-ref", "--format=%(refname)", &format!("refs/previewbot/{life}/")];
        let kept = self.git(&mirror).run("cannot list kept commits", &kept).await?.text();
        for reference in kept.lines() {
            self.git(&mirror).run("cannot release a commit", &["update-ref", "-d", reference]).await?;
        }
        Ok(())
    }
}

/// Packs that a killed download left, which git itself only removes much later. Best effort: they only take room.
async fn remove_unfinished_packs(mirror: &Path) {
    let folder = mirror.join("objects/pack");
    let removed = apart(move || {
        for entry in std::fs::read_dir(folder)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("tmp_") {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    });
    if let Err(error) = removed.await {
        tracing::debug!(%error, "unfinished packs stay");
    }
}

/// The reference that keeps a commit for a life: one for each commit, since an environment may need two at a time
/// (the trusted one for its hooks, the head for its code).
fn keeping(life: LifeId, commit: &Sha) -> String {
    format!("refs/previewbot/{life}/{commit}")
}
