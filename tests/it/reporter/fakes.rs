//! A forge, a store of reports and a clock in memory, just deep enough for the reporter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use secrecy::SecretString;

use previewbot::domain::change::*;
use previewbot::domain::environment::{Environment, EnvironmentId, Project, ProjectId};
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::job::{Claim, Reaction};
use previewbot::domain::ports::*;
use previewbot::domain::report::Snapshot;

/// A clock moved by hand.
pub(super) struct HandClock(pub(super) Mutex<i64>);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(*self.0.lock().unwrap()).unwrap()
    }

    async fn sleep(&self, _duration: std::time::Duration) {
        std::future::pending::<()>().await;
    }
}

/// One environment, its posted things and when its report is due.
pub(super) struct World {
    pub(super) snapshot: Mutex<Snapshot>,
    pub(super) posted: Mutex<Vec<Posted>>,
    pub(super) not_before: Mutex<i64>,
    pub(super) news: Mutex<bool>,
    pub(super) clock: Arc<HandClock>,
}

#[async_trait]
impl Reports for World {
    async fn due(&self, holder: &str, _limit: i64) -> PortResult<Vec<ReportLease>> {
        let due = *self.news.lock().unwrap() && *self.not_before.lock().unwrap() <= self.clock.now_ms();
        let lease = ReportLease { environment: EnvironmentId(1), revision: 1, holder: holder.to_owned() };
        Ok(if due { vec![lease] } else { Vec::new() })
    }

    async fn hold(&self, _lease: &ReportLease) -> PortResult<()> {
        Ok(())
    }

    async fn next_due_at(&self) -> PortResult<Option<i64>> {
        Ok(self.news.lock().unwrap().then(|| *self.not_before.lock().unwrap()))
    }

    async fn posted(&self, _environment: EnvironmentId) -> PortResult<Vec<Posted>> {
        Ok(self.posted.lock().unwrap().clone())
    }

    async fn save(&self, environment: EnvironmentId, posted: &Posted) -> PortResult<()> {
        self.forget(environment, posted.kind, &posted.key).await?;
        self.posted.lock().unwrap().push(posted.clone());
        Ok(())
    }

    async fn forget(&self, _environment: EnvironmentId, kind: PostedKind, key: &str) -> PortResult<()> {
        self.posted.lock().unwrap().retain(|old| old.kind != kind || old.key != key);
        Ok(())
    }

    async fn shown(&self, _lease: &ReportLease, _revision: i64, not_before: i64) -> PortResult<()> {
        *self.news.lock().unwrap() = false;
        *self.not_before.lock().unwrap() = not_before;
        Ok(())
    }

    async fn postpone(&self, _lease: &ReportLease, not_before: i64, _why: &str) -> PortResult<()> {
        *self.not_before.lock().unwrap() = not_before;
        Ok(())
    }

    async fn touch(&self, _environment: EnvironmentId) -> PortResult<()> {
        *self.news.lock().unwrap() = true;
        Ok(())
    }

    async fn woken(&self) {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Environments for World {
    async fn project(&self, _repository: &Repository) -> PortResult<Option<Project>> {
        unreachable!()
    }
    async fn ensure_project(&self, _repository: &Repository, _wanted: &str) -> PortResult<Project> {
        unreachable!()
    }
    async fn by_change(&self, _project: ProjectId, _number: ChangeNumber) -> PortResult<Option<Environment>> {
        unreachable!()
    }
    async fn get(&self, _id: EnvironmentId) -> PortResult<Option<Environment>> {
        unreachable!()
    }
    async fn list(&self, _gone: bool) -> PortResult<Vec<Environment>> {
        unreachable!()
    }
    async fn snapshot(&self, _id: EnvironmentId) -> PortResult<Option<Snapshot>> {
        Ok(Some(self.snapshot.lock().unwrap().clone()))
    }
    async fn ruling(&self, _id: EnvironmentId) -> PortResult<Option<Sha>> {
        unreachable!()
    }
    async fn rule(&self, _claim: &Claim, _commit: &Sha) -> PortResult<()> {
        unreachable!()
    }
    async fn record(&self, _claim: &Claim, _outcome: EnvironmentOutcome) -> PortResult<()> {
        unreachable!()
    }
}

#[derive(Clone)]
pub(super) struct FakeDeployment {
    pub(super) marker: String,
    pub(super) state: Option<DeploymentState>,
    pub(super) url: Option<String>,
}

/// How a call fails: before it did anything, or after (the answer is lost).
pub(super) enum Fault {
    Before(ErrorKind),
    AnswerLost,
}

/// What the forge has, every call that was made, and the faults of the next calls by name.
#[derive(Default)]
pub(super) struct FakeForge {
    pub(super) comments: Mutex<BTreeMap<u64, String>>,
    pub(super) checks: Mutex<BTreeMap<u64, NewCheck>>,
    pub(super) deployments: Mutex<BTreeMap<u64, FakeDeployment>>,
    pub(super) environments_deleted: Mutex<Vec<String>>,
    pub(super) calls: Mutex<Vec<&'static str>>,
    pub(super) faults: Mutex<BTreeMap<&'static str, Fault>>,
    next: Mutex<u64>,
}

impl FakeForge {
    pub(super) fn fail(&self, call: &'static str, fault: Fault) {
        self.faults.lock().unwrap().insert(call, fault);
    }

    pub(super) fn mend(&self) {
        self.faults.lock().unwrap().clear();
    }

    pub(super) fn count(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|made| **made == call).count()
    }

    fn call<T>(&self, name: &'static str, act: impl FnOnce() -> T) -> PortResult<T> {
        self.calls.lock().unwrap().push(name);
        match self.faults.lock().unwrap().get(name) {
            Some(Fault::Before(kind)) => Err(PortError::new(*kind, format!("{name} was refused"))),
            Some(Fault::AnswerLost) => {
                act();
                Err(PortError::new(ErrorKind::Unavailable, format!("the answer to {name} was lost")))
            }
            None => Ok(act()),
        }
    }

    fn id(&self) -> u64 {
        let mut next = self.next.lock().unwrap();
        *next += 1;
        *next
    }
}

fn ours() -> Account {
    Account { login: "previewbot[bot]".to_owned(), id: 1, is_bot: true }
}

fn missing(what: &str) -> PortError {
    PortError::new(ErrorKind::NotFound, format!("no such {what}"))
}

#[async_trait]
impl Forge for FakeForge {
    fn kind(&self) -> ForgeKind {
        ForgeKind::Github
    }
    async fn bot_name(&self) -> PortResult<String> {
        unreachable!()
    }
    async fn change(&self, _: &Repository, _: ChangeNumber) -> PortResult<Option<Change>> {
        unreachable!()
    }
    async fn changed_files(&self, _: &Repository, _: ChangeNumber) -> PortResult<ChangedFiles> {
        unreachable!()
    }
    async fn changes_with_head(&self, _: &Repository, _: &Sha) -> PortResult<Vec<ChangeNumber>> {
        unreachable!()
    }
    async fn permission(&self, _: &Repository, _: &str) -> PortResult<Permission> {
        unreachable!()
    }
    async fn file(&self, _: &Repository, _: &str, _: &Sha) -> PortResult<Option<Vec<u8>>> {
        unreachable!()
    }
    async fn git_token(&self, _: &Repository) -> PortResult<Option<SecretString>> {
        unreachable!()
    }
    async fn comment(&self, _: &Repository, _: u64) -> PortResult<Option<Comment>> {
        unreachable!()
    }

    async fn find_comment(&self, _: &Repository, n: ChangeNumber, marker: &str) -> PortResult<Option<Comment>> {
        self.call("find_comment", || {
            let comments = self.comments.lock().unwrap();
            let (id, body) = comments.iter().rev().find(|(_, body)| body.contains(marker))?;
            Some(Comment {
                id: *id,
                author: ours(),
                body: body.clone(),
                ours: true,
                edited: false,
                change: Some(n),
                created_at: None,
                updated_at: None,
            })
        })
    }

    async fn create_comment(&self, _: &Repository, _: ChangeNumber, body: &str) -> PortResult<u64> {
        self.call("create_comment", || {
            let id = self.id();
            self.comments.lock().unwrap().insert(id, body.to_owned());
            id
        })
    }

    async fn update_comment(&self, _: &Repository, _: ChangeNumber, id: u64, body: &str) -> PortResult<()> {
        self.call("update_comment", || {
            let mut comments = self.comments.lock().unwrap();
            comments.get_mut(&id).map(|old| body.clone_into(old)).ok_or_else(|| missing("comment"))
        })?
    }

    async fn react(&self, _: &Repository, _: ChangeNumber, _: u64, _: Reaction) -> PortResult<()> {
        self.call("react", || ())
    }

    async fn find_check(&self, _: &Repository, sha: &Sha, _: &str, external: &str) -> PortResult<Option<Check>> {
        self.call("find_check", || {
            let checks = self.checks.lock().unwrap();
            let (id, _) = checks.iter().find(|(_, check)| check.sha == *sha && check.external_id == external)?;
            Some(Check { id: *id, external_id: external.to_owned() })
        })
    }

    async fn create_check(&self, _: &Repository, check: &NewCheck) -> PortResult<u64> {
        self.call("create_check", || {
            let id = self.id();
            self.checks.lock().unwrap().insert(id, check.clone());
            id
        })
    }

    async fn update_check(&self, _: &Repository, id: u64, check: &NewCheck) -> PortResult<()> {
        self.call("update_check", || {
            let mut checks = self.checks.lock().unwrap();
            checks.get_mut(&id).map(|old| check.clone_into(old)).ok_or_else(|| missing("check"))
        })?
    }

    async fn deployments(&self, _: &Repository, _: &str) -> PortResult<Vec<Deployment>> {
        self.call("deployments", || {
            let deployments = self.deployments.lock().unwrap();
            let seen = deployments.iter().rev();
            seen.map(|(id, known)| Deployment { id: *id, marker: known.marker.clone() }).collect()
        })
    }

    async fn create_deployment(&self, _: &Repository, new: &NewDeployment) -> PortResult<u64> {
        self.call("create_deployment", || {
            let id = self.id();
            let made = FakeDeployment { marker: new.marker.clone(), state: None, url: None };
            self.deployments.lock().unwrap().insert(id, made);
            id
        })
    }

    async fn set_deployment(
        &self,
        _: &Repository,
        id: u64,
        state: DeploymentState,
        url: Option<&str>,
        _: Option<&str>,
        _: &str,
    ) -> PortResult<()> {
        self.call("set_deployment", || {
            let mut deployments = self.deployments.lock().unwrap();
            let known = deployments.get_mut(&id).ok_or_else(|| missing("deployment"))?;
            known.state = Some(state);
            known.url = url.map(str::to_owned);
            Ok(())
        })?
    }

    async fn delete_deployment(&self, _: &Repository, id: u64) -> PortResult<()> {
        self.call("delete_deployment", || {
            let removed = self.deployments.lock().unwrap().remove(&id);
            assert_eq!(
                removed.and_then(|known| known.state),
                Some(DeploymentState::Inactive),
                "deleted while active"
            );
        })
    }

    async fn delete_environment(&self, _: &Repository, environment: &str) -> PortResult<()> {
        self.call("delete_environment", || {
            self.environments_deleted.lock().unwrap().push(environment.to_owned());
        })
    }
}
