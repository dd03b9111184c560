//! The store's promises, one named test per rule, on a real `SQLite` file and on a real `PostgreSQL` server, with a
//! clock moved by hand.

mod on_postgres;
mod on_sqlite;
mod replicas;

use std::any::Any;
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
use previewbot::domain::ports::{
    Assessment, Assessments, ClaimedJob, Environments, Hosts as _, JobFilter, JobQueue, Placed, Placing,
    ReportLease, Reports as _, Room,
};
use previewbot::domain::trust::Trust;
use previewbot::outbound::store::{Location, OpenOptions, Serving, Store, StoreError};
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqliteRow};
use tempfile::TempDir;

use crate::support::clock::{CountingRandom, ManualClock};
use crate::support::postgres::TestDatabase;

const LEASE: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 86_400_000;
const DEPLOY: Work = Work::Deploy { no_cache: false, from: None };

/// A store of its own: on a server, or in a folder of its own.
struct Bench<const ON_SERVER: bool> {
    folder: TempDir,
    server: Option<TestDatabase>,
    clock: Arc<ManualClock>,
    store: Store,
}

impl<const ON_SERVER: bool> Bench<ON_SERVER> {
    async fn new() -> Self {
        Self::within(TempDir::new().unwrap()).await
    }

    async fn within(folder: TempDir) -> Self {
        let clock = Arc::new(ManualClock::default());
        let server = if ON_SERVER { Some(TestDatabase::new().await) } else { None };
        let location = match &server {
            Some(server) => server.location(&clock),
            None => Location::File(folder.path().join("bot.db")),
        };
        let store = open_at(location, &clock, Serving::Alone, 7 * DAY_MS).await.unwrap();
        Self { folder, server, clock, store }
    }

    async fn placed(&self, claim: &Claim, host: &str, trust: Trust) -> bool {
        self.store.place(claim, &placing(host, trust)).await.unwrap() == Placed::There
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bot.db")
    }

    fn location(&self) -> Location {
        match &self.server {
            Some(server) => server.location(&self.clock),
            None => Location::File(self.path()),
        }
    }

    /// A connection beside the store, to look under its hood or to damage what it finds.
    async fn sql(&self) -> SqlitePool {
        SqlitePool::connect_with(SqliteConnectOptions::new().filename(self.path())).await.unwrap()
    }

    /// Changes rows behind the store's back.
    async fn change(&self, statement: &'static str) -> sqlx::Result<u64> {
        match &self.server {
            Some(server) => {
                sqlx::raw_sql(statement).execute(&server.pool().await).await.map(|done| done.rows_affected())
            }
            None => sqlx::raw_sql(statement).execute(&self.sql().await).await.map(|done| done.rows_affected()),
        }
    }

    /// One column of one row.
    async fn ask<T>(&self, statement: &'static str) -> T
    where
        (T,): for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>,
        T: Send + Unpin,
    {
        let (value,) = match &self.server {
            Some(server) => sqlx::query_as(statement).fetch_one(&server.pool().await).await.unwrap(),
            None => sqlx::query_as(statement).fetch_one(&self.sql().await).await.unwrap(),
        };
        value
    }

    /// Keeps everybody else from writing until it is dropped.
    async fn write_lock(&self) -> Box<dyn Any> {
        match &self.server {
            Some(server) => {
                let lock = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('previewbot'), hashtext('public'))";
                Box::new(server.pool().await.begin_with(lock).await.unwrap())
            }
            None => Box::new(self.sql().await.begin_with("BEGIN IMMEDIATE").await.unwrap()),
        }
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

    /// The reports that the bot may write now.
    async fn due(&self, limit: i64) -> Vec<ReportLease> {
        self.store.due("reporter", limit).await.unwrap()
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

async fn open(path: PathBuf, clock: &Arc<ManualClock>, serving: Serving) -> Result<Store, StoreError> {
    open_at(Location::File(path), clock, serving, 7 * DAY_MS).await
}

async fn open_at(
    location: Location,
    clock: &Arc<ManualClock>,
    serving: Serving,
    ttl_ms: i64,
) -> Result<Store, StoreError> {
    let clock = Arc::clone(clock) as _;
    let random = Arc::new(CountingRandom::default());
    Store::open(OpenOptions { location, serving, clock, random, ttl_ms }).await
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

const fn placing(host: &str, trust: Trust) -> Placing<'_> {
    Placing { host, trust, capacity: None, limits: None }
}

fn assessment(
    project: Project,
    number: u64,
    environment: Option<Environment>,
    decisions: Vec<DecisionRecord>,
) -> Assessment {
    let change = change(number);
    Assessment { project, change, environment, terms: None, decisions, deliveries: Vec::new() }
}

fn record(decision: Decision) -> DecisionRecord {
    DecisionRecord { delivery: None, trigger: "pushed".to_owned(), decision, at: 1 }
}

fn decided(desired: Desired, cause: Cause, work: Vec<Work>) -> Decision {
    let desired = DesiredChange { desired, cause, sticky: cause == Cause::Command, trust: Trust::Trusted };
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
