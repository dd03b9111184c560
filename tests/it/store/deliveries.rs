use std::time::Duration;

use futures_util::future::join_all;
use previewbot::domain::error::ErrorKind;
use previewbot::domain::event::{DeliveryId, Parsed};
use previewbot::domain::job::{JobEnd, JobState};
use previewbot::domain::ports::{Accepted, Assessments, JobQueue};

use super::second_chances::comment;
use super::{Bench, change_ref, delivery, retry};

#[tokio::test]
async fn a_delivery_is_stored_with_its_job_its_event_and_its_body() {
    let bench = Bench::new().await;
    assert_eq!(bench.store.accept(delivery("d1", 42)).await.unwrap(), Accepted::New);

    let pending = bench.store.pending("github:5001#42").await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].event.as_ref().unwrap().subject.key(), "github:5001#42");
    let id = DeliveryId("d1".to_owned());
    assert_eq!(bench.store.delivery_body(&id).await.unwrap().unwrap(), b"body of d1");
    assert_eq!(bench.claim_kind("assess").await.job.state, JobState::Running);
}

#[tokio::test]
async fn a_delivery_seen_before_makes_no_second_job() {
    let bench = Bench::new().await;
    bench.store.accept(delivery("d1", 42)).await.unwrap();
    bench.claim_kind("assess").await;
    assert_eq!(bench.store.accept(delivery("d1", 42)).await.unwrap(), Accepted::Duplicate);
    assert_eq!(bench.jobs().await.len(), 1);
}

#[tokio::test]
async fn deliveries_about_one_change_share_the_waiting_assessment() {
    let bench = Bench::new().await;
    for id in ["d1", "d2", "d3"] {
        assert_eq!(bench.store.accept(delivery(id, 42)).await.unwrap(), Accepted::New);
    }
    bench.store.accept(delivery("d4", 43)).await.unwrap();
    assert_eq!(bench.jobs().await.len(), 2);
    let pending = bench.store.pending("github:5001#42").await.unwrap();
    assert_eq!(pending.iter().map(|d| d.id.0.as_str()).collect::<Vec<_>>(), ["d1", "d2", "d3"]);
}

#[tokio::test]
async fn an_assessment_that_already_runs_does_not_serve_for_a_new_delivery() {
    let bench = Bench::new().await;
    bench.store.accept(delivery("d1", 42)).await.unwrap();
    let first = bench.claim_kind("assess").await;
    bench.store.accept(delivery("d2", 42)).await.unwrap();
    assert_eq!(bench.jobs().await.len(), 2);
    assert!(bench.claim().await.is_none(), "the second waits for the first");

    // When the first goes back, the second serves for both.
    bench.store.finish(&first.claim, retry(), &[]).await.unwrap();
    assert_eq!(bench.job(first.job.id).await.state, JobState::Superseded);
    bench.claim_kind("assess").await;
}

#[tokio::test]
async fn a_new_delivery_ends_the_wait_of_an_assessment_that_is_to_be_tried_again() {
    let bench = Bench::new().await;
    bench.store.accept(delivery("d1", 42)).await.unwrap();
    let first = bench.claim_kind("assess").await;
    bench.store.finish(&first.claim, retry(), &[]).await.unwrap();
    assert!(bench.claim().await.is_none());
    bench.clock.advance(Duration::from_millis(10));
    bench.store.accept(delivery("d2", 42)).await.unwrap();
    assert_eq!(bench.claim_kind("assess").await.job.id, first.job.id);
}

#[tokio::test]
async fn an_ignored_delivery_is_recorded_with_its_reason_and_no_job() {
    let bench = Bench::new().await;
    let mut ping = delivery("d1", 42);
    ping.parsed = Parsed::Ignored { because: "a ping asks for nothing".to_owned() };
    assert_eq!(bench.store.accept(ping).await.unwrap(), Accepted::New);
    let stored = bench.store.delivery(&DeliveryId("d1".to_owned())).await.unwrap().unwrap();
    assert_eq!(stored.outcome.as_deref(), Some("nothing to do, because a ping asks for nothing"));
    assert!(bench.jobs().await.is_empty());
}

#[tokio::test]
async fn a_delivery_that_cannot_be_stored_does_not_fail_its_neighbours() {
    let bench = Bench::new().await;
    let poison = match &bench.server {
        Some(_) => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
             CREATE TRIGGER poison BEFORE INSERT ON deliveries FOR EACH ROW WHEN (new.id = 'bad') \
             EXECUTE FUNCTION refuse()"
        }
        None => {
            "CREATE TRIGGER poison BEFORE INSERT ON deliveries WHEN new.id = 'bad' \
             BEGIN SELECT raise(ABORT, 'no'); END"
        }
    };
    bench.change(poison).await.unwrap();
    let accepts = (0..40).map(|n| {
        let id = if n == 17 { "bad".to_owned() } else { format!("d{n}") };
        bench.store.accept(delivery(&id, n))
    });
    let results = join_all(accepts).await;
    assert_eq!(results.iter().filter(|r| matches!(r, Ok(Accepted::New))).count(), 39);
    assert_eq!(results[17].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bench.jobs().await.len(), 39);
}

#[tokio::test]
async fn deliveries_that_arrive_together_are_committed_together() {
    let bench = Bench::new().await;
    let before = commits(&bench).await;
    let accepts = (0..100).map(|n| bench.store.accept(delivery(&format!("d{n}"), n)));
    let results = join_all(accepts).await;
    assert!(results.iter().all(|r| matches!(r, Ok(Accepted::New))));
    let made = commits(&bench).await - before;
    assert!((1..=10).contains(&made), "100 deliveries took {made} commits");
}

/// Transactions so far. On a server, those that left deliveries; in a file, those in the write-ahead log, where each one's
/// last frame holds the size of the database.
async fn commits(bench: &Bench) -> usize {
    const HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    if bench.server.is_some() {
        let count: i64 = bench.ask("SELECT count(DISTINCT xmin::text) FROM deliveries").await;
        return usize::try_from(count).unwrap();
    }
    let log = std::fs::read(bench.folder.path().join("bot.db-wal")).unwrap();
    let word = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = FRAME_HEADER + usize::try_from(word(8)).unwrap();
    (HEADER..=log.len() - frame).step_by(frame).filter(|start| word(start + 4) != 0).count()
}

#[tokio::test]
async fn an_assessment_that_is_given_up_answers_the_orders_it_was_told_of() {
    let bench = Bench::new().await;
    bench.store.accept(comment("d1", change_ref(42))).await.unwrap();
    let first = bench.claim_kind("assess").await;
    bench.store.accept(comment("d2", change_ref(42))).await.unwrap();
    bench.store.accept(comment("d3", change_ref(43))).await.unwrap();
    let failed = |reason: &str| JobEnd::Failed { reason: reason.to_owned() };
    bench.store.finish(&first.claim, failed("not installed"), &[]).await.unwrap();
    let outcome =
        async |id: &str| bench.store.delivery(&DeliveryId(id.to_owned())).await.unwrap().unwrap().outcome;
    assert_eq!(outcome("d1").await, None, "the next assessment, which waits already, has it");

    let second = loop {
        let claimed = bench.claim_kind("assess").await;
        if claimed.job.reason.ends_with("#42") {
            break claimed;
        }
    };
    bench.store.finish(&second.claim, failed("not installed"), &[]).await.unwrap();
    assert_eq!(outcome("d1").await.as_deref(), Some("given up: not installed"));
    assert_eq!(outcome("d2").await.as_deref(), Some("given up: not installed"));
    assert_eq!(outcome("d3").await, None);
}
