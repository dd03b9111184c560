//! The reporter against a forge and a store in memory.

mod fakes;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use previewbot::domain::change::*;
use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::environment::*;
use previewbot::domain::error::ErrorKind;
use previewbot::domain::job::{Job, JobEnd, JobId, JobState, Reaction, Reply, Work};
use previewbot::domain::ports::{Clock as _, DeploymentState, PostedKind, Reports as _};
use previewbot::domain::report::Snapshot;
use previewbot::worker::replies;
use previewbot::worker::reporter::{Forges, Reporter};

use fakes::{FakeForge, Fault, HandClock, World};

const START: i64 = 1_795_132_800_000;

fn sha(digit: char) -> Sha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn repository() -> Repository {
    let name = "acme/shop".parse().unwrap();
    Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: Some(1) }
}

fn change(head: char) -> Change {
    Change {
        number: ChangeNumber(42),
        title: "A title".to_owned(),
        author: Account { login: "ada".to_owned(), id: 7, is_bot: false },
        state: ChangeState::Open,
        draft: false,
        labels: Vec::new(),
        head: Head { sha: sha(head), branch: "topic".to_owned(), repository: Some(RepositoryId(5001)) },
        base: Base { sha: sha('c'), branch: "main".to_owned() },
    }
}

fn environment() -> Environment {
    let project = Project { id: ProjectId(1), slug: Slug::from_text("shop"), repository: repository() };
    let (name, life) = ("pr-42".parse().unwrap(), LifeId(uuid::Uuid::nil()));
    Environment {
        change: Some(change('a')),
        desired: Desired::Running { commit: sha('a') },
        cause: Cause::Change,
        reason: "opened".to_owned(),
        generation: 1,
        created_at: START,
        updated_at: START,
        ..Environment::new(EnvironmentId(1), project, name, life, ChangeNumber(42))
    }
}

fn deploy_running() -> Job {
    Job {
        id: JobId(9),
        work: Work::Deploy { no_cache: false, from: None },
        project: Some("shop".to_owned()),
        environment_id: Some(EnvironmentId(1)),
        environment: Some("pr-42".to_owned()),
        state: JobState::Running,
        attempt: 1,
        max_attempts: 5,
        crashes: 0,
        generation: Some(1),
        comment: None,
        reason: "opened".to_owned(),
        cancel_reason: None,
        created_at: START,
        run_at: START,
        started_at: Some(START),
        finished_at: None,
    }
}

struct Stage {
    forge: Arc<FakeForge>,
    world: Arc<World>,
    clock: Arc<HandClock>,
    reporter: Reporter,
}

impl Stage {
    fn new() -> Self {
        let clock = Arc::new(HandClock(Mutex::new(START)));
        let job = Some(deploy_running());
        let snapshot = Snapshot {
            environment: environment(),
            job,
            queue: None,
            steps: Vec::new(),
            planned_steps: None,
            now: START,
        };
        let world = Arc::new(World {
            snapshot: Mutex::new(snapshot),
            posted: Mutex::default(),
            not_before: Mutex::default(),
            news: Mutex::new(true),
            clock: clock.clone(),
        });
        let forge = Arc::new(FakeForge::default());
        let (reports, environments) = (world.clone(), world.clone());
        let forges = Forges::from([(ForgeKind::Github, forge.clone() as _)]);
        let reporter = Reporter::new(
            reports,
            environments,
            forges,
            clock.clone(),
            ("reporter".to_owned(), "http://bot".to_owned()),
        );
        Self { forge, world, clock, reporter }
    }

    /// The environment moves on.
    fn now(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.world.snapshot.lock().unwrap());
        *self.world.news.lock().unwrap() = true;
    }

    fn ready(&self) {
        self.now(|snapshot| {
            snapshot.job = None;
            let environment = &mut snapshot.environment;
            environment.entry = Some(EnvironmentEntry::default());
            environment.published = environment.desired.commit().cloned();
            environment.urls = vec![("web".to_owned(), "http://localhost:41001".to_owned())];
        });
    }

    fn push(&self, head: char) {
        self.now(|snapshot| {
            snapshot.job = Some(deploy_running());
            snapshot.environment.change = Some(change(head));
            snapshot.environment.desired = Desired::Running { commit: sha(head) };
            snapshot.environment.generation += 1;
        });
    }

    fn destroyed(&self) {
        self.now(|snapshot| {
            snapshot.job = None;
            let environment = &mut snapshot.environment;
            environment.desired = Desired::Absent;
            environment.cause = Cause::Merged;
            environment.entry = None;
            environment.published = None;
            environment.destroyed_at = Some(START + 60_000);
        });
    }

    async fn turn(&self) -> usize {
        self.reporter.turn().await.unwrap()
    }

    async fn after(&self, milliseconds: i64) -> usize {
        *self.clock.0.lock().unwrap() += milliseconds;
        self.turn().await
    }

    fn comment(&self) -> String {
        let comments = self.forge.comments.lock().unwrap();
        assert_eq!(comments.len(), 1, "{comments:?}");
        comments.values().next().unwrap().clone()
    }

    fn check_states(&self) -> Vec<String> {
        let checks = self.forge.checks.lock().unwrap();
        checks.values().map(|check| format!("{} {}", check.sha.short(), check.state.as_str())).collect()
    }
}

#[tokio::test]
async fn everything_is_created_once_and_then_edited() {
    let stage = Stage::new();
    assert_eq!(stage.turn().await, 1);
    assert!(stage.comment().contains("deploying"));
    assert_eq!(stage.check_states(), ["aaaaaaa in_progress"]);
    stage.ready();
    assert_eq!(stage.after(5_000).await, 1);
    assert!(stage.comment().contains("Preview ready"));
    assert_eq!(stage.check_states(), ["aaaaaaa success"]);
    let deployments = stage.forge.deployments.lock().unwrap().clone();
    assert_eq!(deployments.len(), 1);
    let deployment = deployments.values().next().unwrap();
    assert_eq!(deployment.state, Some(DeploymentState::Success));
    assert_eq!(deployment.url.as_deref(), Some("http://localhost:41001"));
    for created in ["create_comment", "create_check", "create_deployment"] {
        assert_eq!(stage.forge.count(created), 1, "{created}");
    }
}

#[tokio::test]
async fn a_change_is_edited_at_most_every_five_seconds() {
    let stage = Stage::new();
    stage.turn().await;
    stage.ready();
    assert_eq!(stage.after(4_999).await, 0);
    assert_eq!(stage.after(1).await, 1);
}

#[tokio::test]
async fn the_same_text_is_not_written_again() {
    let stage = Stage::new();
    stage.turn().await;
    let calls = stage.forge.calls.lock().unwrap().len();
    stage.now(|_| {});
    assert_eq!(stage.after(5_000).await, 1);
    assert_eq!(stage.forge.calls.lock().unwrap().len(), calls);
    assert!(
        *stage.world.not_before.lock().unwrap() <= stage.clock.now_ms(),
        "nothing written, nothing to wait for"
    );
}

#[tokio::test]
async fn a_deleted_comment_is_written_anew() {
    let stage = Stage::new();
    stage.turn().await;
    stage.forge.comments.lock().unwrap().clear();
    stage.ready();
    stage.after(5_000).await;
    assert!(stage.comment().contains("Preview ready"));
    assert_eq!(stage.forge.count("create_comment"), 2);
}

#[tokio::test]
async fn a_lost_answer_leaves_one_of_each() {
    for call in ["create_comment", "create_check", "create_deployment"] {
        let stage = Stage::new();
        stage.forge.fail(call, Fault::AnswerLost);
        stage.turn().await;
        stage.forge.mend();
        assert_eq!(stage.after(5_000).await, 1, "{call}");
        assert_eq!(stage.forge.count(call), 1, "{call}");
        assert_eq!(stage.forge.comments.lock().unwrap().len(), 1, "{call}");
        assert_eq!(stage.forge.checks.lock().unwrap().len(), 1, "{call}");
        let deployments = stage.forge.deployments.lock().unwrap();
        let states: Vec<_> = deployments.values().map(|known| known.state).collect();
        assert_eq!(states, [Some(DeploymentState::InProgress)], "{call}");
    }
}

#[tokio::test]
async fn a_forbidden_check_stops_nothing_else_and_is_tried_again_later() {
    let stage = Stage::new();
    stage.forge.fail("create_check", Fault::Before(ErrorKind::Denied));
    stage.turn().await;
    assert!(stage.comment().contains("deploying"));
    assert_eq!(stage.forge.deployments.lock().unwrap().len(), 1);
    stage.ready();
    stage.after(5_000).await;
    assert!(stage.comment().contains("Preview ready"), "the comment does not wait for the check");
    assert_eq!(stage.forge.count("create_check"), 1);
    stage.forge.mend();
    assert_eq!(stage.after(600_000).await, 1);
    assert_eq!(stage.check_states(), ["aaaaaaa success"]);
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let stage = Stage::new();
    stage.forge.fail("create_comment", Fault::Before(ErrorKind::RateLimited(Duration::from_secs(90))));
    stage.turn().await;
    stage.forge.mend();
    assert_eq!(stage.after(89_999).await, 0);
    assert_eq!(stage.after(1).await, 1);
    assert!(stage.comment().contains("deploying"));
}

#[tokio::test]
async fn a_broken_forge_is_asked_less_and_less_often() {
    let stage = Stage::new();
    stage.forge.fail("create_comment", Fault::Before(ErrorKind::Unavailable));
    stage.forge.fail("find_comment", Fault::Before(ErrorKind::Unavailable));
    stage.turn().await;
    assert_eq!(stage.after(5_000).await, 1);
    assert_eq!(stage.after(9_999).await, 0);
    assert_eq!(stage.after(1).await, 1);
    stage.forge.mend();
    assert_eq!(stage.after(20_000).await, 1);
    assert!(stage.comment().contains("deploying"));
}

#[tokio::test]
async fn the_check_of_a_superseded_commit_comes_to_an_end() {
    let stage = Stage::new();
    stage.turn().await;
    stage.push('b');
    stage.after(5_000).await;
    assert_eq!(stage.check_states(), ["aaaaaaa cancelled", "bbbbbbb in_progress"]);
    assert_eq!(stage.forge.checks.lock().unwrap().values().next().unwrap().title, "Superseded by bbbbbbb");
}

#[tokio::test]
async fn an_ended_check_of_an_older_commit_is_left_alone() {
    let stage = Stage::new();
    stage.ready();
    stage.turn().await;
    stage.push('b');
    stage.after(5_000).await;
    assert_eq!(stage.check_states(), ["aaaaaaa success", "bbbbbbb in_progress"]);
}

#[tokio::test]
async fn the_old_deployment_stays_active_until_the_new_one_answers() {
    let stage = Stage::new();
    stage.ready();
    stage.turn().await;
    stage.push('b');
    stage.after(5_000).await;
    let states = || stage.forge.deployments.lock().unwrap().values().filter_map(|d| d.state).collect::<Vec<_>>();
    assert_eq!(states(), [DeploymentState::Success, DeploymentState::InProgress]);
    stage.ready();
    stage.after(5_000).await;
    assert_eq!(states(), [DeploymentState::Inactive, DeploymentState::Success]);
}

#[tokio::test]
async fn a_destroy_ends_check_and_deployments_and_keeps_the_comment() {
    let stage = Stage::new();
    stage.ready();
    stage.turn().await;
    stage.push('b');
    stage.after(5_000).await;
    stage.destroyed();
    stage.after(5_000).await;
    assert!(stage.comment().contains("Preview destroyed"));
    assert_eq!(stage.check_states(), ["aaaaaaa success", "bbbbbbb neutral"]);
    assert!(stage.forge.deployments.lock().unwrap().is_empty());
    assert_eq!(*stage.forge.environments_deleted.lock().unwrap(), ["preview/pr-42"]);
    let posted = stage.world.posted(EnvironmentId(1)).await.unwrap();
    assert!(posted.iter().all(|posted| posted.kind != PostedKind::Deployment));
}

#[tokio::test]
async fn what_may_not_be_deleted_does_not_fail_a_destroy() {
    let stage = Stage::new();
    stage.ready();
    stage.turn().await;
    stage.forge.fail("delete_deployment", Fault::Before(ErrorKind::Denied));
    stage.forge.fail("delete_environment", Fault::Before(ErrorKind::NotFound));
    stage.destroyed();
    stage.after(5_000).await;
    let deployments = stage.forge.deployments.lock().unwrap();
    assert_eq!(deployments.values().next().unwrap().state, Some(DeploymentState::Inactive));
    assert!(!*stage.world.news.lock().unwrap());
}

#[tokio::test]
async fn a_change_without_preview_gets_a_check_and_no_comment() {
    let stage = Stage::new();
    stage.now(|snapshot| {
        snapshot.job = None;
        snapshot.environment.desired = Desired::Absent;
        snapshot.environment.cause = Cause::Policy;
        snapshot.environment.reason = "the change is a draft".to_owned();
    });
    stage.turn().await;
    assert_eq!(stage.check_states(), ["aaaaaaa skipped"]);
    assert!(stage.forge.comments.lock().unwrap().is_empty());
}

fn answer() -> Reply {
    let marker = "<!-- previewbot:reply:900:0:help -->".to_owned();
    Reply {
        change: ChangeRef { repository: repository(), number: ChangeNumber(42) },
        comment: 900,
        reaction: Some(Reaction::Rocket),
        body: Some(format!("{marker}\nhelp")),
        marker,
    }
}

#[tokio::test]
async fn a_reply_whose_answer_was_lost_is_not_posted_twice() {
    let forge = FakeForge::default();
    forge.fail("create_comment", Fault::AnswerLost);
    let first = replies::reply(&forge, &answer(), 1).await;
    assert!(matches!(first, JobEnd::Retry { after: None, .. }), "{first:?}");
    forge.mend();
    let second = replies::reply(&forge, &answer(), 2).await;
    assert!(matches!(second, JobEnd::Succeeded { .. }), "{second:?}");
    assert_eq!(forge.comments.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reply_counts_though_its_reaction_was_refused() {
    let forge = FakeForge::default();
    forge.fail("react", Fault::Before(ErrorKind::NotFound));
    let end = replies::reply(&forge, &answer(), 1).await;
    assert!(matches!(end, JobEnd::Succeeded { .. }), "{end:?}");
    assert_eq!(forge.comments.lock().unwrap().len(), 1);
    forge.fail("create_comment", Fault::Before(ErrorKind::RateLimited(Duration::from_mins(1))));
    let end = replies::reply(&forge, &answer(), 1).await;
    assert!(matches!(end, JobEnd::Retry { after: Some(_), .. }), "{end:?}");
}
