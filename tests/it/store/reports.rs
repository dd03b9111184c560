use std::time::Duration;

use previewbot::domain::ports::{Audit, AuditRecord, Clock, Posted, PostedKind, Reports};

use super::{Bench, sha};

fn posted(kind: PostedKind, key: &str, forge_id: Option<u64>) -> Posted {
    Posted { kind, key: key.to_owned(), forge_id, hash: "h".to_owned(), state: String::new() }
}

#[tokio::test]
async fn a_report_is_due_until_its_newest_revision_is_shown() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let (id, revision) = bench.store.due(5).await.unwrap()[0];
    assert_eq!(id, environment.id);
    // News that come while the report is written stay due.
    bench.store.touch(id).await.unwrap();
    let now = bench.clock.now_ms();
    bench.store.shown(id, revision, now + 5_000).await.unwrap();
    assert!(bench.store.due(5).await.unwrap().is_empty(), "at most one edit every 5 s");
    assert_eq!(bench.store.next_due_at().await.unwrap(), Some(now + 5_000));
    bench.clock.advance(Duration::from_secs(5));
    let (_, newer) = bench.store.due(5).await.unwrap()[0];
    assert!(newer > revision);
    bench.store.shown(id, newer, now).await.unwrap();
    assert!(bench.store.due(5).await.unwrap().is_empty());
    assert_eq!(bench.store.next_due_at().await.unwrap(), None);
}

#[tokio::test]
async fn a_report_that_could_not_be_shown_is_due_again_later() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let later = bench.clock.now_ms() + 60_000;
    bench.store.postpone(environment.id, later, "the forge said 500").await.unwrap();
    assert!(bench.store.due(5).await.unwrap().is_empty());
    bench.clock.advance(Duration::from_mins(1));
    assert_eq!(bench.store.due(5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn reports_are_written_oldest_news_first() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    bench.clock.advance(Duration::from_secs(1));
    let two = bench.push(2, &sha('a')).await;
    bench.clock.advance(Duration::from_secs(1));
    bench.store.touch(one.id).await.unwrap();
    let order = async || bench.store.due(5).await.unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(order().await, [one.id, two.id]);
    let revision = bench.store.due(1).await.unwrap()[0].1;
    bench.store.shown(one.id, revision, 0).await.unwrap();
    bench.store.touch(one.id).await.unwrap();
    assert_eq!(order().await, [two.id, one.id]);
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
