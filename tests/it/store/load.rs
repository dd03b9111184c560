use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::join_all;
use previewbot::domain::environment::EnvironmentId;
use previewbot::domain::job::{JobId, NewJob, Work};
use previewbot::domain::ports::{JobQueue, Room};
use previewbot::outbound::store::Store;

use super::{Bench, LEASE, delivery, succeeded};

const ENVIRONMENTS: u64 = 40;
const JOBS: usize = 400;

/// Who runs now and what ran, in order.
#[derive(Default)]
struct Seen {
    running: HashSet<EnvironmentId>,
    order: HashMap<EnvironmentId, Vec<JobId>>,
    most: usize,
}

async fn work(store: Store, owner: String, seen: Arc<Mutex<Seen>>) {
    while let Some(claimed) = store.claim(&owner, LEASE, Room::ALL).await.unwrap() {
        let environment = claimed.claim.environment.unwrap();
        {
            let mut seen = seen.lock().unwrap();
            assert!(seen.running.insert(environment), "two jobs of {environment:?} run");
            seen.most = seen.most.max(seen.running.len());
            seen.order.entry(environment).or_default().push(claimed.job.id);
        }
        // The work: long enough in the database for other workers to claim meanwhile.
        store.heartbeat(&claimed.claim, LEASE).await.unwrap();
        assert!(seen.lock().unwrap().running.remove(&environment));
        store.finish(&claimed.claim, succeeded(), &[]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_workers_never_run_two_jobs_of_one_environment_and_lose_none() {
    let bench = Bench::new().await;
    let mut environments = Vec::new();
    for number in 1..=ENVIRONMENTS {
        environments.push(bench.close(number).await);
    }
    let resets: Vec<NewJob> = (0..JOBS - environments.len())
        .map(|n| &environments[n % environments.len()])
        .map(|environment| NewJob {
            work: Work::Reset { life: environment.life, service: "db".to_owned() },
            environment: Some(environment.id),
            generation: Some(environment.generation),
            comment: None,
            reason: "load".to_owned(),
        })
        .collect();
    bench.store.enqueue(&resets).await.unwrap();

    let seen = Arc::new(Mutex::new(Seen::default()));
    let workers = (0..8).map(|n| tokio::spawn(work(bench.store.clone(), format!("w{n}"), Arc::clone(&seen))));
    let began = Instant::now();
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    // A worker may find everything held by the others and leave; what is left then is theirs.
    work(bench.store.clone(), "last".to_owned(), Arc::clone(&seen)).await;
    println!("{JOBS} jobs over {ENVIRONMENTS} environments took {:?}", began.elapsed());
    let seen = seen.lock().unwrap();
    assert_eq!(seen.order.values().map(Vec::len).sum::<usize>(), JOBS);
    assert!(seen.order.values().all(|ids| ids.is_sorted()), "an environment's jobs ran out of order");
    assert!(seen.most > 1, "environments waited for each other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_deliveries_is_accepted() {
    let bench = Bench::new().await;
    let began = Instant::now();
    let senders = (0..64u64).map(|sender| {
        let store = bench.store.clone();
        tokio::spawn(async move {
            for n in 0..20 {
                store.accept(delivery(&format!("{sender}-{n}"), sender)).await.unwrap();
            }
        })
    });
    for sender in join_all(senders).await {
        sender.unwrap();
    }
    let elapsed = began.elapsed();
    println!("1280 deliveries took {elapsed:?}, {:.0} a second", 1280.0 / elapsed.as_secs_f64());
    assert_eq!(bench.jobs().await.len(), 64, "one assessment per change");
}
