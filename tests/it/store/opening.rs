use std::sync::Arc;

use previewbot::domain::event::DeliveryId;
use previewbot::domain::ports::{Assessments, Clock, Environments, JobQueue};
use previewbot::outbound::store::StoreError;
use tempfile::TempDir;

use super::{Bench, DAY_MS, Serving, delivery, open, sha, succeeded};
use crate::support::clock::ManualClock;

#[tokio::test]
async fn a_second_server_is_refused_and_a_command_is_not() {
    let bench = Bench::new().await;
    let Err(refused) = open(bench.path(), &bench.clock, Serving::Alone).await else { panic!("two served") };
    let pid = std::process::id().to_string();
    assert!(matches!(&refused, StoreError::Served { pid: by, .. } if *by == pid), "{refused}");
    assert!(refused.to_string().contains("another previewbot serves this database"), "{refused}");

    bench.store.accept(delivery("d1", 1)).await.unwrap();
    let command = open(bench.path(), &bench.clock, Serving::No).await.unwrap();
    assert_eq!(command.pending("github:5001#1").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let Bench { folder, clock, store, server: _ } = Bench::new().await;
    let path = folder.path().join("bot.db");
    let id = store.installation_id();
    store.accept(delivery("d1", 1)).await.unwrap();
    store.close().await;
    drop(store);
    let store = open(path, &clock, Serving::Alone).await.unwrap();
    assert_eq!(store.installation_id(), id);
    assert_eq!(store.pending("github:5001#1").await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_database_keeps_to_its_durability_settings() {
    let bench = Bench::new().await;
    let sql = bench.sql().await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&sql).await.unwrap();
    assert_eq!(mode, "wal");
    let loose: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict \
         AND name NOT LIKE 'sqlite%' AND name NOT LIKE '_sqlx%'",
    )
    .fetch_all(&sql)
    .await
    .unwrap();
    assert!(loose.is_empty(), "not STRICT: {loose:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(bench.path()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_in_words() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bot.db");
    std::fs::write(&path, "this is no database, but it is long enough to be looked at as one".repeat(50)).unwrap();
    let Err(error) = open(path, &Arc::new(ManualClock::default()), Serving::Alone).await else { panic!("opened") };
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused_in_words() {
    let Bench { folder, clock, store, server: _ } = Bench::new().await;
    let path = folder.path().join("bot.db");
    store.close().await;
    drop(store);
    let sql =
        sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(&path)).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'later', 1, x'00', 0)",
    )
    .execute(&sql)
    .await
    .unwrap();
    let Err(error) = open(path, &clock, Serving::Alone).await else { panic!("opened") };
    assert!(matches!(error, StoreError::Newer { version: 99, .. }), "{error}");
}

#[tokio::test]
async fn what_ended_long_ago_is_pruned_but_not_what_a_report_is_made_from() {
    let bench = Bench::new().await;
    bench.store.accept(delivery("old", 1)).await.unwrap();
    let claim = bench.claim_kind("assess").await.claim;
    let old = DeliveryId("old".to_owned());
    bench.store.resolve(&claim, &[(old.clone(), "done".to_owned())]).await.unwrap();
    bench.store.finish(&claim, succeeded(), &[]).await.unwrap();
    let environment = bench.push(1, &sha('a')).await;
    let deploy = bench.claim_kind("deploy").await;
    bench.store.finish(&deploy.claim, succeeded(), &[]).await.unwrap();
    bench.store.accept(delivery("unassessed", 2)).await.unwrap();

    let later = bench.clock.now_ms() + 31 * DAY_MS;
    let pruned = bench.store.prune_before(later - 30 * DAY_MS).await.unwrap();
    assert_eq!((pruned.jobs, pruned.deliveries), (2, 1));
    assert!(bench.store.delivery(&old).await.unwrap().is_none());
    assert!(bench.store.delivery_body(&old).await.unwrap().is_none());
    assert!(bench.store.delivery(&DeliveryId("unassessed".to_owned())).await.unwrap().is_some());
    let snapshot = bench.store.snapshot(environment.id).await.unwrap().unwrap();
    assert_eq!(snapshot.job.unwrap().id, deploy.job.id);
}
