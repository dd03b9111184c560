use std::time::Duration;

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::{
    Audit, AuditRecord, Clock, Housekeeping as _, Posted, PostedKind, REPORT_LEASE_MS, Reports,
};

use super::{Bench, sha};

fn posted(kind: PostedKind, key: &str, forge_id: Option<u64>) -> Posted {
    Posted { kind, key: key.to_owned(), forge_id, hash: "h".to_owned(), state: String::new() }
}

#[tokio::test]
async fn a_report_is_due_until_its_newest_revision_is_shown() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let lease = bench.due(5).await.remove(0);
    let (id, revision) = (lease.environment, lease.revision);
    assert_eq!(id, environment.id);
    // News that come while the report is written stay due.
    bench.store.touch(id).await.unwrap();
    let now = bench.clock.now_ms();
    bench.store.shown(&lease, revision, now + 5_000).await.unwrap();
    assert!(bench.due(5).await.is_empty(), "at most one edit every 5 s");
    assert_eq!(bench.store.next_due_at().await.unwrap(), Some(now + 5_000));
    bench.clock.advance(Duration::from_secs(5));
    let newer = bench.due(5).await.remove(0);
    assert!(newer.revision > revision);
    bench.store.shown(&newer, newer.revision, now).await.unwrap();
    assert!(bench.due(5).await.is_empty());
    assert_eq!(bench.store.next_due_at().await.unwrap(), None);
}

#[tokio::test]
async fn a_report_that_could_not_be_shown_is_due_again_later() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let later = bench.clock.now_ms() + 60_000;
    let lease = bench.due(5).await.remove(0);
    assert_eq!(lease.environment, environment.id);
    bench.store.postpone(&lease, later, "the forge said 500").await.unwrap();
    assert!(bench.due(5).await.is_empty());
    bench.clock.advance(Duration::from_mins(1));
    assert_eq!(bench.due(5).await.len(), 1);
}

#[tokio::test]
async fn reports_are_written_oldest_news_first() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    bench.clock.advance(Duration::from_secs(1));
    let two = bench.push(2, &sha('a')).await;
    bench.clock.advance(Duration::from_secs(1));
    bench.store.touch(one.id).await.unwrap();
    let order = async || bench.due(5).await.into_iter().map(|lease| lease.environment).collect::<Vec<_>>();
    assert_eq!(order().await, [one.id, two.id]);
    let lease = bench.due(1).await.remove(0);
    bench.store.shown(&lease, lease.revision, 0).await.unwrap();
    bench.store.touch(one.id).await.unwrap();
    assert_eq!(order().await, [two.id, one.id]);
}

#[tokio::test]
async fn one_process_at_a_time_writes_a_report() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let first = bench.due(5).await.remove(0);
    let other = async || bench.store.due("another", 5).await.unwrap();
    assert!(other().await.is_empty(), "it is being written");
    let until = bench.clock.now_ms() + REPORT_LEASE_MS;
    assert_eq!(bench.store.next_due_at().await.unwrap(), Some(until), "then another may");
    assert_eq!(bench.due(5).await, std::slice::from_ref(&first), "a process does not wait for itself");

    bench.clock.advance(Duration::from_millis(REPORT_LEASE_MS.unsigned_abs() - 1));
    bench.store.hold(&first).await.unwrap();
    bench.clock.advance(Duration::from_millis(REPORT_LEASE_MS.unsigned_abs() - 1));
    assert!(other().await.is_empty(), "it was held before it ran out");
    bench.clock.advance(Duration::from_millis(1));
    let taken = other().await.remove(0);
    assert_eq!(bench.store.hold(&first).await.unwrap_err().kind(), ErrorKind::Fenced);

    // What the first one still says of it counts no more.
    bench.store.shown(&first, first.revision, 0).await.unwrap();
    bench.store.postpone(&first, i64::MAX, "too late").await.unwrap();
    bench.store.hold(&taken).await.unwrap();
    bench.store.shown(&taken, taken.revision, 0).await.unwrap();
    assert_eq!(bench.store.next_due_at().await.unwrap(), None);
    bench.store.touch(first.environment).await.unwrap();
    assert_eq!(bench.due(5).await.len(), 1, "who was fenced may write the next one");
}

#[tokio::test]
async fn a_process_that_serves_alone_waits_for_no_lease_of_its_former_self() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    assert_eq!(bench.store.due("before the crash", 5).await.unwrap().len(), 1);
    assert!(bench.store.take_duty("tidying", "before the crash", 60_000).await.unwrap());
    bench.store.take_over().await.unwrap();
    assert_eq!(bench.due(5).await.len(), 1);
    assert!(bench.store.take_duty("tidying", "after it", 60_000).await.unwrap());
}

#[tokio::test]
async fn a_duty_is_one_process_at_a_time() {
    let bench = Bench::new().await;
    let take = async |holder: &str| bench.store.take_duty("tidying", holder, 15_000).await.unwrap();
    assert!(take("one").await);
    assert!(!take("two").await);
    assert!(bench.store.take_duty("something else", "two", 15_000).await.unwrap());
    bench.clock.advance(Duration::from_secs(10));
    assert!(take("one").await, "and goes on");
    bench.clock.advance(Duration::from_millis(14_999));
    assert!(!take("two").await);
    bench.clock.advance(Duration::from_millis(1));
    assert!(take("two").await);
    assert!(!take("one").await);
}

#[tokio::test]
async fn what_was_posted_is_kept_by_kind_and_key() {
    let bench = Bench::new().await;
    let id = bench.push(1, &sha('a')).await.id;
    bench.store.save(id, &posted(PostedKind::Comment, "", None)).await.unwrap();
    bench.store.save(id, &posted(PostedKind::Comment, "", Some(u64::MAX))).await.unwrap();
    bench.store.save(id, &posted(PostedKind::Check, sha('a').as_str(), Some(2))).await.unwrap();
    assert_eq!(bench.store.posted(id).await.unwrap().len(), 2);
    bench.store.forget(id, PostedKind::Check, sha('a').as_str()).await.unwrap();
    assert_eq!(bench.store.posted(id).await.unwrap(), [posted(PostedKind::Comment, "", Some(u64::MAX))]);
}

#[tokio::test]
async fn who_waits_for_reports_hears_of_news() {
    let bench = Bench::new().await;
    let id = bench.push(1, &sha('a')).await.id;
    let heard = tokio::time::timeout(Duration::from_secs(5), Reports::woken(&bench.store));
    let (heard, touched) = tokio::join!(heard, bench.store.touch(id));
    touched.unwrap();
    heard.unwrap();
}

#[tokio::test]
async fn acts_and_refusals_are_audited() {
    let bench = Bench::new().await;
    let record = AuditRecord {
        at: 5,
        actor: Some("octo".to_owned()),
        source: "comment".to_owned(),
        action: "destroy".to_owned(),
        environment: Some("shop/pr-1".to_owned()),
        commit: Some(sha('a')),
        detail: "octo has read, destroy needs write".to_owned(),
        allowed: false,
    };
    bench.store.record(&record).await.unwrap();
    bench.store.record(&AuditRecord { allowed: true, ..record.clone() }).await.unwrap();
    let newest = Audit::list(&bench.store, 1).await.unwrap();
    assert!(newest[0].allowed);
    assert_eq!(Audit::list(&bench.store, 5).await.unwrap()[1], record);
}
