//! A checkout on a host: the commit is pushed there from the bot's mirror, so that the host needs no way to the forge.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::channel::token;
use super::quote;
use super::request::{Answer, Request};
use super::runner::SshRunner;
use crate::domain::change::{Repository, Sha};
use crate::domain::environment::LifeId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::CreateRequest;
use crate::outbound::compute::CodeSource;
use crate::outbound::git::{MirrorGit, Push, host_variables};

const CHECKOUT: &str = concat!(include_str!("scripts/git.sh"), include_str!("scripts/checkout.sh"));
const REMOVE: &str = concat!(
    include_str!("scripts/git.sh"),
    include_str!("scripts/remove.sh"),
    include_str!("scripts/remove_checkout.sh"),
);

const PUSH: &str = include_str!("scripts/push.sh");

/// How long a checkout may take.
const LIMIT: Duration = Duration::from_mins(10);

/// The bot's own mirror at the job's commit, for a checkout on a host.
pub struct HostSource {
    /// The host, fenced by the job's epoch.
    pub runner: Arc<SshRunner>,
    /// The bot's mirrors.
    pub git: Arc<MirrorGit>,
    /// The repository that the code comes from.
    pub repository: Repository,
    /// The commit that the job is for; `None` when what is there is only to be stopped or destroyed.
    pub commit: Option<Sha>,
    /// The environment's life.
    pub life: LifeId,
    /// The project's bare repository on the host: `<root>/<slug>/repo.git`.
    pub bare: PathBuf,
    /// Whether the checkout may be a clone that the hook which made the machine left there.
    pub may_be_clone: bool,
    /// Whether this job made the checkout at the commit, and nobody could change it since.
    pub is_fresh: AtomicBool,
}

impl HostSource {
    async fn check_out(&self, directory: &Path, cancel: &CancellationToken) -> PortResult<()> {
        let nothing = || PortError::new(ErrorKind::Invalid, "there is no commit to check out");
        let commit = self.commit.as_ref().ok_or_else(nothing)?;
        let Some(repository) = self.ask_for(directory, commit, cancel).await? else { return Ok(()) };
        self.push(commit, &repository, cancel).await?;
        match self.ask_for(directory, commit, cancel).await? {
            None => Ok(()),
            Some(repository) => {
                let message = format!("{repository} does not have {} although it was pushed", commit.short());
                Err(self.runner.host().named(PortError::new(ErrorKind::Unavailable, message)))
            }
        }
    }

    /// Checks the commit out; `Some`: it must be pushed to this repository first.
    async fn ask_for(
        &self,
        directory: &Path,
        commit: &Sha,
        cancel: &CancellationToken,
    ) -> PortResult<Option<String>> {
        let life = self.life.to_string();
        let what = format!("cannot check {} out at {}", directory.display(), commit.short());
        let clone = if self.may_be_clone { "clone" } else { "-" };
        let arguments: [&str; 4] = [&directory.to_string_lossy(), commit.as_str(), &life, clone];
        let answer = self.ask(&what, CHECKOUT, &arguments, cancel).await?.text();
        Ok(Some(answer.trim().to_owned()).filter(|repository| !repository.is_empty()))
    }

    async fn ask(
        &self,
        what: &str,
        program: &'static str,
        arguments: &[&str],
        cancel: &CancellationToken,
    ) -> PortResult<Answer> {
        let host = self.runner.host();
        let fence = [self.runner.folder().to_owned(), self.runner.epoch().to_string()];
        let bare = self.bare.to_string_lossy().into_owned();
        let all = fence.into_iter().chain([bare]).chain(arguments.iter().map(|argument| (*argument).to_owned()));
        let variables = host_variables();
        let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = Request::new(program, all).variables(variables)?.within(LIMIT);
        host.expect(what, &request, cancel).await
    }

    /// Pushes the commit over the connection that is up already.
    async fn push(&self, commit: &Sha, repository: &str, cancel: &CancellationToken) -> PortResult<()> {
        let host = self.runner.host();
        let (_slot, connection) = host.session().await?;
        let token = token();
        let words = [
            "sh",
            "-c",
            PUSH,
            "previewbot-push",
            &token,
            "ssh",
            "-F",
            &connection.configuration().to_string_lossy(),
            "-S",
            &connection.socket().to_string_lossy(),
            "-oControlMaster=no",
            // Without the connection it must not make one of its own.
            "-oProxyCommand=false",
        ];
        let push = Push {
            command: quote::words(words)?,
            // The connection decides where it leads.
            url: format!("host:{repository}"),
            reference: format!("refs/previewbot/{}/{commit}", self.life),
        };
        let pushed = self.git.push(&self.repository, commit, &push, cancel).await;
        pushed.map_err(|error| host.named(error))
    }
}

#[async_trait]
impl CodeSource for HostSource {
    fn follows_a_commit(&self) -> bool {
        true
    }

    async fn make(
        &self,
        directory: &Path,
        _request: &CreateRequest,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        self.check_out(directory, cancel).await?;
        // To a machine of its own, the project's hooks have ways that we do not know of.
        self.is_fresh.store(!self.may_be_clone, Ordering::Relaxed);
        Ok(())
    }

    async fn sync(&self, directory: &Path, cancel: &CancellationToken) -> PortResult<()> {
        if self.is_fresh.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.check_out(directory, cancel).await
    }

    async fn remove(&self, directory: &Path) -> PortResult<()> {
        let life = self.life.to_string();
        let what = format!("cannot remove {}", directory.display());
        let arguments: [&str; 2] = [&directory.to_string_lossy(), &life];
        self.ask(&what, REMOVE, &arguments, &CancellationToken::new()).await.map(drop)
    }
}
