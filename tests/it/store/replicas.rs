//! Several stores on one server, as replicas have them.

use std::collections::HashSet;

use previewbot::domain::ports::{Housekeeping as _, JobQueue as _};
use previewbot::outbound::clock::OsRandom;
use secrecy::SecretString;

use super::{
    Arc, Bench, DAY_MS, Duration, LEASE, Location, ManualClock, OpenOptions, Room, Serving, Store, StoreError,
    delivery, open_at, sha, succeeded,
};

type OnServer = Bench<true>;

#[tokio::test]
async fn a_second_process_that_serves_is_refused_until_the_first_has_ended() {
    let bench = OnServer::new().await;
    let again = || open_at(bench.location(), &bench.clock, Serving::Alone, 7 * DAY_MS);
    let refused = again().await.err().unwrap().to_string();
    assert!(refused.starts_with("another previewbot serves postgres://postgres@"), "{refused}");
    bench.store.close().await;
    again().await.unwrap();
}

#[tokio::test]
async fn processes_that_share_the_work_serve_together_but_not_beside_one_that_must_be_alone() {
    let bench = OnServer::new().await;
    let open = |serving| open_at(bench.location(), &bench.clock, serving, 7 * DAY_MS);
    assert!(matches!(open(Serving::Together).await, Err(StoreError::ServedElsewhere { .. })));
    bench.store.close().await;
    let one = open(Serving::Together).await.unwrap();
    let two = open(Serving::Together).await.unwrap();
    assert!(matches!(open(Serving::Alone).await, Err(StoreError::ServedElsewhere { .. })));

    // What another holds is not taken over.
    assert!(one.take_duty("tidying", "one", 60_000).await.unwrap());
    two.take_over().await.unwrap();
    assert!(!two.take_duty("tidying", "two", 60_000).await.unwrap());
    one.close().await;
    two.close().await;
    open(Serving::Alone).await.unwrap();
}

#[tokio::test]
async fn the_tables_of_a_database_that_is_served_are_left_alone() {
    let bench = OnServer::new().await;
    // Whoever looked at the tables first would speak of this.
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', true, '', 0)";
    bench.change(later).await.unwrap();
    let again = || open_at(bench.location(), &bench.clock, Serving::Alone, 7 * DAY_MS);
    assert!(matches!(again().await.err().unwrap(), StoreError::ServedElsewhere { .. }));
    bench.store.close().await;
    assert!(matches!(again().await.err().unwrap(), StoreError::Newer { version: 9999, .. }));
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_told_without_its_password() {
    let clock = Arc::new(ManualClock::default());
    let open = |url: &str| {
        let url = SecretString::from(url);
        open_at(Location::Server { url, clock: None }, &clock, Serving::No, 0)
    };
    let wrong = open("postgres://me:hunter2@localhost:no-port/db").await.err().unwrap().to_string();
    assert!(wrong.starts_with("the URL of the PostgreSQL database is wrong"), "{wrong}");
    let away = open("postgres://me:hunter2@127.0.0.1:1/db").await.err().unwrap().to_string();
    assert!(away.starts_with("cannot open the database postgres://me@127.0.0.1:1/db: "), "{away}");
    assert!(!format!("{wrong}{away}").contains("hunter2"), "{wrong} {away}");
}

#[tokio::test]
async fn the_servers_time_counts_where_no_other_is_given() {
    let bench = OnServer::new().await;
    let url = SecretString::from(bench.server.as_ref().unwrap().url());
    let store = open_at(Location::Server { url, clock: None }, &bench.clock, Serving::No, DAY_MS).await.unwrap();
    store.accept(delivery("d1", 1)).await.unwrap();
    // The clock of this test stands still in another year.
    let apart: i64 = bench
        .ask("SELECT abs(received_at - (extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM deliveries")
        .await;
    assert!(apart < 60_000, "{apart} ms from the server's time");
    store.close().await;
}

#[tokio::test]
async fn a_replica_wakes_when_another_one_adds_work() {
    let bench = OnServer::new().await;
    let (location, clock) = (bench.location(), bench.clock.clone());
    let options = OpenOptions { location, serving: Serving::No, clock, random: Arc::new(OsRandom), ttl_ms: 0 };
    let other = Store::open(options).await.unwrap();
    assert_eq!(other.installation_id(), bench.store.installation_id());
    // Until it listens, its own start rings; after that only the other's work does.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let mut woken = false;
    while !woken && std::time::Instant::now() < deadline {
        while tokio::time::timeout(Duration::from_millis(200), other.woken()).await.is_ok() {}
        bench.push(1, &sha('a')).await;
        woken = tokio::time::timeout(Duration::from_secs(2), other.woken()).await.is_ok();
    }
    assert!(woken, "the other replica never heard of the work");
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_make_the_tables_once_and_never_claim_one_job_twice() {
    let bench = OnServer::new().await;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(open_at(bench.location(), &bench.clock, Serving::No, 7 * DAY_MS).await.unwrap());
    }
    for number in 1..=12 {
        bench.push(number, &sha('a')).await;
    }
    let workers = replicas.iter().enumerate().map(|(n, store)| async move {
        let mut seen = Vec::new();
        while let Some(claimed) = store.claim(&format!("replica-{n}"), LEASE, Room::ALL).await.unwrap() {
            store.finish(&claimed.claim, succeeded(), &[]).await.unwrap();
            seen.push(claimed.job.id);
        }
        seen
    });
    let claimed: Vec<_> = futures_util::future::join_all(workers).await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 12);
    assert_eq!(claimed.iter().copied().collect::<HashSet<_>>().len(), 12);
}
