use sha2::{Digest as _, Sha256};

use crate::domain::change::{ChangeNumber, Repository};
use crate::domain::environment::Environment;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{Forge, Posted, PostedKind, ReportLease, Reports};
use crate::domain::report::{Shown, Snapshot};
use crate::domain::wording;

use super::patience::Patience;

/// How a visit to one change ended.
pub(super) enum Outcome {
    /// The forge shows what it can.
    Shown,
    /// The forge does not work or wants us to wait.
    Later(PortError),
}

/// One comparison of one environment with its change's page.
pub(super) struct Visit<'a> {
    pub(super) forge: &'a dyn Forge,
    pub(super) snapshot: &'a Snapshot,
    reports: &'a dyn Reports,
    lease: &'a ReportLease,
    posted: Vec<Posted>,
    wrote: bool,
    held: bool,
}

impl<'a> Visit<'a> {
    pub(super) const fn new(
        forge: &'a dyn Forge,
        (reports, lease): (&'a dyn Reports, &'a ReportLease),
        snapshot: &'a Snapshot,
        posted: Vec<Posted>,
    ) -> Self {
        Self { forge, snapshot, reports, lease, posted, wrote: false, held: false }
    }

    /// Whether anything was written to the forge.
    pub(super) const fn wrote(&self) -> bool {
        self.wrote
    }

    /// Whether something is left to be told later because it is progress alone.
    pub(super) const fn held(&self) -> bool {
        self.held
    }

    /// Writes what differs: comment, checks, deployments. What the forge refuses is left alone for a while and does
    /// not keep the others from being written.
    pub(super) async fn write(&mut self, public_url: &str, patience: &Patience, now: i64) -> Outcome {
        let id = self.environment().id;
        for kind in [PostedKind::Comment, PostedKind::Check, PostedKind::Deployment] {
            if patience.is_refused(id, kind, now) {
                continue;
            }
            let result = match kind {
                PostedKind::Comment if patience.holds_progress(id, now) && self.is_progress(public_url) => {
                    self.held = true;
                    Ok(())
                }
                // It comes first: what was written by now is the comment.
                PostedKind::Comment => {
                    let shown = self.show_comment(public_url).await;
                    if self.wrote {
                        patience.wrote(id, now);
                    }
                    shown
                }
                PostedKind::Check => self.show_checks(public_url).await,
                _ => self.show_deployments(public_url).await,
            };
            match result {
                Ok(()) => {}
                Err(error) if is_refusal(error.kind()) => {
                    self.warn(kind, &error);
                    patience.refuse(id, kind, now);
                }
                Err(error) => return Outcome::Later(error),
            }
        }
        Outcome::Shown
    }

    /// Whether the comment tells already that a deploy runs, and only how far it is has changed.
    fn is_progress(&self, public_url: &str) -> bool {
        let shown = wording::shown(self.snapshot);
        let posted = self.posted(PostedKind::Comment, "");
        matches!(shown, Shown::Deploying(..))
            && posted.is_some_and(|posted| posted.forge_id.is_some() && posted.state == shown.word())
            && posted.is_some_and(|posted| posted.hash != hash(&wording::comment(self.snapshot, public_url)))
    }

    fn warn(&self, kind: PostedKind, error: &PortError) {
        let permission = match kind {
            PostedKind::Check => "checks: write",
            PostedKind::Deployment => "deployments: write",
            _ => "pull requests: write and issues: write",
        };
        tracing::warn!(
            environment = %self.environment().name,
            repository = %self.repository().name,
            kind = kind.as_str(),
            error = error.chain(),
            "the forge refused this; the bot needs {permission} on the repository, next try in 10 minutes"
        );
    }

    pub(super) const fn environment(&self) -> &'a Environment {
        &self.snapshot.environment
    }

    pub(super) const fn repository(&self) -> &'a Repository {
        &self.snapshot.environment.project.repository
    }

    pub(super) const fn number(&self) -> ChangeNumber {
        self.snapshot.environment.number
    }

    /// What was posted under this kind and key.
    pub(super) fn posted(&self, kind: PostedKind, key: &str) -> Option<&Posted> {
        self.posted.iter().find(|posted| posted.kind == kind && posted.key == key)
    }

    /// Everything of this kind that was posted, but for one key.
    pub(super) fn others(&self, kind: PostedKind, key: Option<&str>) -> Vec<Posted> {
        let other = |posted: &&Posted| posted.kind == kind && Some(posted.key.as_str()) != key;
        self.posted.iter().filter(other).cloned().collect()
    }

    /// Notes that something is about to be created: after a crash its marker is looked up first.
    pub(super) async fn intend(&mut self, kind: PostedKind, key: &str) -> PortResult<()> {
        let intent =
            Posted { kind, key: key.to_owned(), forge_id: None, hash: String::new(), state: String::new() };
        self.save(intent).await
    }

    pub(super) async fn save(&mut self, posted: Posted) -> PortResult<()> {
        self.reports.save(self.environment().id, &posted).await?;
        self.posted.retain(|old| (old.kind, &old.key) != (posted.kind, &posted.key));
        self.posted.push(posted);
        Ok(())
    }

    pub(super) async fn forget(&mut self, kind: PostedKind, key: &str) -> PortResult<()> {
        self.reports.forget(self.environment().id, kind, key).await?;
        self.posted.retain(|old| old.kind != kind || old.key != key);
        Ok(())
    }

    /// The forge's page is about to change: by us alone, until the request for it has ended.
    pub(super) async fn writes(&mut self) -> PortResult<()> {
        self.reports.hold(self.lease).await?;
        self.wrote = true;
        Ok(())
    }
}

/// Trying the same again soon cannot help.
const fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::NotFound)
}

/// `Ok(None)` when the thing is not there (any more).
pub(super) fn unless_missing<T>(result: PortResult<T>) -> PortResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A short name of a text, to see whether it changed.
pub(super) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
