//! The store's promises, one named test per rule, on a real `SQLite` file and a clock moved by hand.

mod assessing;
mod deliveries;
mod destroying;
mod environments;
mod expiry;
mod folders;
mod full_disk;
mod hosts;
mod load;
mod opening;
mod queue;
mod reports;
mod rescue;
mod second_chances;
mod state;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use previewbot::domain::change::{
    Account, Base, Change, ChangeNumber, ChangeRef, ChangeState, ForgeKind, Head, Repository, RepositoryId, Sha,
};
use previewbot::domain::decision::{Decision, DecisionRecord, DesiredChange};
use previewbot::domain::environment::{Cause, Desired, Environment, EnvironmentId, Project};
use previewbot::domain::error::PortResult;
use previewbot::domain::event::{DeliveryId, Event, EventKind, NewDelivery, Parsed, Subject};
use previewbot::domain::job::{Claim, Job, JobEnd, JobId, NewJob, Work};
use previewbot::domain::ports::{Assessment, Assessments, ClaimedJob, Environments, JobFilter, JobQueue, Room};
use previewbot::outbound::store::{OpenOptions, Store, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

use crate::support::clock::{CountingRandom, ManualClock};

const LEASE: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 86_400_000;
const DEPLOY: Work = Work::Deploy { no_cache: false, from: None };

/// A store of its own in a folder of its own.
struct Bench {
    folder: TempDir,
    clock: Arc<ManualClock>,
    store: Store,
}

impl Bench {
    async fn new() -> Self {
        Self::within(TempDir::new().unwrap()).await
    }

    async fn within(folder: TempDir) -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = open(folder.path().join("bot.db"), &clock, true).await.unwrap();
        Self { folder, clock, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bot.db")
    }

    /// A connection beside the store, to look under its hood or to damage what it finds.
    async fn sql(&self) -> SqlitePool {
        SqlitePool::connect_with(SqliteConnectOptions::new().filename(self.path())).await.unwrap()
    }

    async fn project(&self) -> Project {
        self.store.ensure_project(&repository(), "shop").await.unwrap()
    }

    async fn claim(&self) -> Option<ClaimedJob> {
        self.store.claim("worker", LEASE, Room::ALL).await.unwrap()
    }

    async fn claim_kind(&self, kind: &str) -> ClaimedJob {
        let claimed = self.claim().await.expect("a job is ready");
        assert_eq!(claimed.job.work.kind(), kind);
        claimed
    }

    /// One assessment as a worker makes it: claimed, committed against what is stored, finished.
    async fn assess(&self, number: u64, decision: Decision) -> PortResult<Option<Environment>> {
        let project = self.project().await;
        let environment = self.store.by_change(project.id, ChangeNumber(number)).await?;
        let claim = self.assess_claim(number).await;
        let assessment = assessment(project.clone(), number, environment, vec![record(decision)]);
        let committed = self.store.commit(&claim, assessment).await;
        self.store.finish(&claim, succeeded(), &[]).await?;
        committed?;
        self.store.by_change(project.id, ChangeNumber(number)).await
    }

    /// The claim of an assess job for this change.
    async fn assess_claim(&self, number: u64) -> Claim {
        let subject = Subject::Change(change_ref(number));
        let work = Work::Assess { subject };
        let job = NewJob { work, environment: None, generation: None, comment: None, reason: "opened".to_owned() };
        self.store.enqueue(&[job]).await.unwrap();
        self.claim_kind("assess").await.claim
    }

    /// Wants the change's preview to run this commit, for a push.
    async fn push(&self, number: u64, commit: &Sha) -> Environment {
        self.assess(number, running(commit, Cause::Change)).await.unwrap().unwrap()
    }

    async fn close(&self, number: u64) -> Environment {
        let decision = decided(Desired::Absent, Cause::Closed, vec![Work::Destroy]);
        self.assess(number, decision).await.unwrap().unwrap()
    }

    async fn environment(&self, id: EnvironmentId) -> Environment {
        Environments::get(&self.store, id).await.unwrap().unwrap()
    }

    async fn job(&self, id: JobId) -> Job {
        JobQueue::get(&self.store, id).await.unwrap().unwrap()
    }

    async fn jobs(&self) -> Vec<Job> {
        JobQueue::list(&self.store, &JobFilter::default()).await.unwrap()
    }

    /// The newest job of a kind.
    async fn newest(&self, kind: &str) -> Job {
        self.jobs().await.into_iter().find(|job| job.work.kind() == kind).unwrap()
    }
}

async fn open(path: PathBuf, clock: &Arc<ManualClock>, exclusive: bool) -> Result<Store, StoreError> {
    let clock = Arc::clone(clock) as _;
    let random = Arc::new(CountingRandom::default());
    Store::open(OpenOptions { path, exclusive, clock, random, ttl_ms: 7 * DAY_MS }).await
}

fn repository() -> Repository {
    let name = "acme/shop".parse().unwrap();
    Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: Some(77) }
}

fn change_ref(number: u64) -> ChangeRef {
    ChangeRef { repository: repository(), number: ChangeNumber(number) }
}

fn sha(digit: char) -> Sha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn change(number: u64) -> Change {
    Change {
        number: ChangeNumber(number),
        title: "Warm colours".to_owned(),
        author: Account { login: "octo".to_owned(), id: 1, is_bot: false },
        state: ChangeState::Open,
        draft: false,
        labels: Vec::new(),
        head: Head { sha: sha('a'), branch: "colours".to_owned(), repository: Some(RepositoryId(5001)) },
        base: Base { sha: sha('b'), branch: "main".to_owned() },
    }
}

fn assessment(
    project: Project,
    number: u64,
    environment: Option<Environment>,
    decisions: Vec<DecisionRecord>,
) -> Assessment {
    Assessment { project, change: change(number), environment, decisions, deliveries: Vec::new() }
}

fn record(decision: Decision) -> DecisionRecord {
    DecisionRecord { delivery: None, trigger: "pushed".to_owned(), decision, at: 1 }
}

fn decided(desired: Desired, cause: Cause, work: Vec<Work>) -> Decision {
    let desired = DesiredChange { desired, cause, sticky: cause == Cause::Command };
    Decision { desired: Some(desired), work, ..Decision::nothing("this is a test") }
}

fn running(commit: &Sha, cause: Cause) -> Decision {
    decided(Desired::Running { commit: commit.clone() }, cause, vec![DEPLOY])
}

fn delivery(id: &str, number: u64) -> NewDelivery {
    let event = Event { kind: EventKind::Pushed, subject: Subject::Change(change_ref(number)), sender: None };
    NewDelivery {
        id: DeliveryId(id.to_owned()),
        forge: ForgeKind::Github,
        event_name: "pull_request".to_owned(),
        action: Some("synchronize".to_owned()),
        body: format!("body of {id}").into_bytes(),
        parsed: Parsed::Event(Box::new(event)),
    }
}

fn succeeded() -> JobEnd {
    JobEnd::Succeeded { reason: "done".to_owned() }
}

fn retry() -> JobEnd {
    JobEnd::Retry { reason: "host unreachable".to_owned(), after: None }
}
