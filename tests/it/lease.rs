//! The worker with a real queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use previewbot::domain::change::{ForgeKind, Repository, RepositoryId};
use previewbot::domain::event::Subject;
use previewbot::domain::job::{JobEnd, NewJob, Work};
use previewbot::domain::ports::{ClaimedJob, JobQueue};
use previewbot::outbound::clock::{OsRandom, SystemClock};
use previewbot::outbound::store::{Location, OpenOptions, Serving, Store};
use previewbot::worker::{Cancel, Ran, RunJob, Worker, WorkerOptions};

const PATIENCE: Duration = Duration::from_secs(20);

/// Does what no job should do: it keeps its thread busy until it is told to stop.
struct Blocks {
    store: Store,
}

#[async_trait]
impl RunJob for Blocks {
    async fn run(&self, claimed: &ClaimedJob, cancel: &Cancel) -> Ran {
        self.store.cancel(claimed.job.id, "somebody asked").await.unwrap();
        let start = Instant::now();
        while !cancel.token.is_cancelled() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(cancel.token.is_cancelled(), "the heart stood still while the job blocked its thread");
        JobEnd::Cancelled { reason: cancel.reason().to_owned() }.into()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heart_beats_while_a_job_blocks_its_thread() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        location: Location::File(folder.path().join("bot.db")),
        serving: Serving::Alone,
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        ttl_ms: 0,
    };
    let store = Store::open(options).await.unwrap();
    let name = "acme/shop".parse().unwrap();
    let repository = Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: None };
    let work = Work::Assess { subject: Subject::Commit { repository, sha: "a".repeat(40).parse().unwrap() } };
    let job = NewJob { work, environment: None, generation: None, comment: None, reason: "a push".to_owned() };
    let id = store.enqueue(&[job]).await.unwrap()[0];
    let options = WorkerOptions {
        owner: "worker".to_owned(),
        concurrency: 1,
        lease: Duration::from_secs(1),
        poll: PATIENCE,
        drain: PATIENCE,
    };
    let queue: Arc<dyn JobQueue> = Arc::new(store.clone());
    let worker = Worker::new(queue, Arc::new(Blocks { store: store.clone() }), Arc::new(SystemClock), options);
    assert_eq!(worker.run_ready().await.unwrap(), 1);
    let job = JobQueue::get(&store, id).await.unwrap().unwrap();
    assert_eq!(job.reason, "somebody asked");
    store.close().await;
}
