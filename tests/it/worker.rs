//! The worker's loop over a real queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use previewbot::domain::change::{ChangeNumber, ChangeRef, ForgeKind, Repository, RepositoryId};
use previewbot::domain::environment::EnvironmentId;
use previewbot::domain::event::Subject;
use previewbot::domain::job::{JobEnd, NewJob, Work};
use previewbot::domain::ports::{ClaimedJob, Environments, JobQueue};
use previewbot::outbound::clock::{OsRandom, SystemClock};
use previewbot::outbound::store::{Location, OpenOptions, Serving, Store};
use previewbot::worker::{Cancel, Ran, RunJob, Worker, WorkerOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::bot::{REPO, TestBot};

/// In the marker of every answer, and in no other comment.
const ANSWER: &str = "previewbot:reply";
const PATIENCE: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(30);

/// Assessments that never end; environment jobs that do.
#[derive(Default)]
struct Hanging {
    assessing: AtomicUsize,
    eight: Notify,
    destroyed: Notify,
}

#[async_trait]
impl RunJob for Hanging {
    async fn run(&self, claimed: &ClaimedJob, _cancel: &Cancel) -> Ran {
        if matches!(claimed.job.work, Work::Assess { .. }) {
            if self.assessing.fetch_add(1, Ordering::SeqCst) == 7 {
                self.eight.notify_one();
            }
            std::future::pending::<()>().await;
        }
        self.destroyed.notify_one();
        JobEnd::Succeeded { reason: "done".to_owned() }.into()
    }
}

fn repository() -> Repository {
    let name = REPO.parse().unwrap();
    Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: None }
}

fn job(work: Work, environment: Option<EnvironmentId>) -> NewJob {
    NewJob { work, environment, generation: None, comment: None, reason: "a test".to_owned() }
}

fn assess(number: u64) -> NewJob {
    let change = ChangeRef { repository: repository(), number: ChangeNumber(number) };
    job(Work::Assess { subject: Subject::Change(change) }, None)
}

async fn sql(path: &std::path::Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap()
}

#[tokio::test]
async fn assessments_that_hang_do_not_keep_environments_from_being_worked_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bot.db");
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let options = OpenOptions {
        location: Location::File(path.clone()),
        serving: Serving::Alone,
        clock: clock.clone(),
        random,
        ttl_ms: 0,
    };
    let store = Store::open(options).await.unwrap();
    let project = store.ensure_project(&repository(), "shop").await.unwrap();
    sqlx::query(
        "INSERT INTO environments (project_id, name, number, life, desired, cause, reason, created_at, updated_at) \
         VALUES ($1, 'pr-9', 9, '00000000-0000-4000-8000-000000000001', 'absent', 'closed', 'a test', 1, 1)",
    )
    .bind(project.id.0)
    .execute(&sql(&path).await)
    .await
    .unwrap();
    let runner = Arc::new(Hanging::default());
    let options = WorkerOptions {
        owner: "worker".to_owned(),
        concurrency: 1,
        lease: LEASE,
        poll: Duration::from_millis(20),
        drain: Duration::ZERO,
    };
    let worker = Worker::new(Arc::new(store.clone()), runner.clone(), clock, options);
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    let assessments: Vec<NewJob> = (1..=9).map(assess).collect();
    store.enqueue(&assessments).await.unwrap();
    tokio::time::timeout(PATIENCE, runner.eight.notified()).await.expect("eight assessments hang");

    store.enqueue(&[job(Work::Destroy, Some(EnvironmentId(1)))]).await.unwrap();
    tokio::time::timeout(PATIENCE, runner.destroyed.notified()).await.expect("the destroy does not wait for them");
    assert_eq!(runner.assessing.load(Ordering::SeqCst), 8, "the ninth waits");
    stop.cancel();
    running.await.unwrap();
}

/// As after a crash between the forge's answer and the end of the job: what rescues it spends no attempt.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_posted_by_a_bot_that_died_is_not_posted_again() {
    let mut bot = TestBot::start().await;
    let (number, _) = bot.open("feature", &[("web/index.html", Some("<h1>One</h1>"))]).await;
    bot.say(number, "/preview help").await;
    bot.comment_with(number, ANSWER).await;
    bot.idle().await;
    bot.stop_bot().await;
    let sql = sql(&bot.data.path().join("previewbot.db")).await;
    let lost = sqlx::query(
        "UPDATE jobs SET state = 'queued', attempt = 0, finished_at = NULL WHERE kind = 'reply' AND state = 'succeeded'",
    );
    assert!(lost.execute(&sql).await.unwrap().rows_affected() > 0);
    bot.start_bot().await;
    bot.idle().await;
    let answers = bot.github.bot_comments(REPO, number);
    assert_eq!(answers.iter().filter(|comment| comment.body.contains(ANSWER)).count(), 1);
}
