use std::sync::Arc;
use std::time::Duration;

use previewbot::domain::change::{ChangeRef, ForgeKind};
use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::environment::EnvironmentId;
use previewbot::domain::event::{CommentRef, DeliveryId, Event, EventKind, NewDelivery, Parsed, Subject};
use previewbot::domain::job::{JobEnd, JobState};
use previewbot::domain::ports::{
    Assessments, Audit, AuditRecord, Clock, EnvironmentOutcome, Environments, Housekeeping, JobQueue, StatePort,
};
use previewbot::outbound::store::StoredState;
use previewbot::worker::janitor::Janitor;

use super::environments::{failure, up};
use super::{Bench, DAY_MS, LEASE, change_ref, delivery, sha, succeeded};

const DAY: Duration = Duration::from_hours(24);
const TEN_MINUTES: Duration = Duration::from_mins(10);

/// A preview whose destroy was given up, and the end of it.
async fn left_behind(bench: &Bench) -> EnvironmentId {
    let environment = up(bench).await;
    let generation = bench.close(1).await.generation;
    let claimed = bench.claim_kind("destroy").await;
    let state = StoredState::new(bench.store.clone(), environment.id, Some(claimed.claim.clone()));
    let entry = EnvironmentEntry { name: "pr-1".to_owned(), ..EnvironmentEntry::default() };
    state.set_environment(&entry).await.unwrap();
    let failed = EnvironmentOutcome::Failed { generation, failure: failure(&["the folder /srv/pr-1"]) };
    Environments::record(&bench.store, &claimed.claim, failed).await.unwrap();
    let end = JobEnd::Failed { reason: "folder is busy".to_owned() };
    bench.store.finish(&claimed.claim, end, &[]).await.unwrap();
    environment.id
}

fn janitor(bench: &Bench) -> Janitor {
    let store = Arc::new(bench.store.clone());
    Janitor::new(store.clone(), store, Arc::clone(&bench.clock) as _, "worker".to_owned(), DAY * 30)
}

#[tokio::test]
async fn a_destroy_that_was_given_up_is_tried_again_a_day_later_and_every_day() {
    let bench = Bench::new().await;
    let id = left_behind(&bench).await;
    for _ in 0..2 {
        bench.clock.advance(DAY);
        assert!(bench.store.revive().await.unwrap().is_empty(), "it ended a day ago, not more");
        bench.clock.advance(Duration::from_millis(1));
        assert_eq!(bench.store.revive().await.unwrap(), [id]);
        assert!(bench.store.revive().await.unwrap().is_empty(), "one waits already");
        let again = bench.claim_kind("destroy").await;
        assert_eq!((again.job.attempt, again.job.max_attempts), (1, 8));
        assert_eq!(again.job.generation, Some(bench.environment(id).await.generation));
        assert!(bench.store.revive().await.unwrap().is_empty(), "it runs");
        bench.store.finish(&again.claim, JobEnd::Failed { reason: "busy".to_owned() }, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wanted_or_gone_is_not_destroyed_again() {
    let bench = Bench::new().await;
    let id = left_behind(&bench).await;
    bench.clock.advance(DAY * 2);
    bench.store.revive().await.unwrap();
    let again = bench.claim_kind("destroy").await;
    Environments::record(&bench.store, &again.claim, EnvironmentOutcome::Destroyed).await.unwrap();
    bench.store.finish(&again.claim, succeeded(), &[]).await.unwrap();
    bench.clock.advance(DAY * 2);
    assert!(bench.store.revive().await.unwrap().is_empty(), "it is gone");
    bench.push(1, &sha('b')).await;
    let deploy = bench.claim_kind("deploy").await;
    let generation = bench.environment(id).await.generation;
    let failed = EnvironmentOutcome::Failed { generation, failure: failure(&[]) };
    Environments::record(&bench.store, &deploy.claim, failed).await.unwrap();
    bench.store.finish(&deploy.claim, JobEnd::Failed { reason: "broken".to_owned() }, &[]).await.unwrap();
    bench.clock.advance(DAY * 2);
    assert!(bench.store.revive().await.unwrap().is_empty(), "it is wanted");
}

#[tokio::test]
async fn the_janitor_takes_up_what_was_given_up() {
    let bench = Bench::new().await;
    left_behind(&bench).await;
    bench.store.accept(delivery("d1", 2)).await.unwrap();
    fail_assessment(&bench).await;
    bench.clock.advance(DAY * 2);
    let janitor = janitor(&bench);
    janitor.turn(1).await.unwrap();
    assert!(bench.claim().await.is_none(), "not in every round");
    janitor.turn(12).await.unwrap();
    bench.claim_kind("assess").await;
    bench.claim_kind("destroy").await;
}

#[tokio::test]
async fn a_delivery_whose_assessment_was_given_up_is_assessed_again_ten_minutes_later() {
    let bench = Bench::new().await;
    bench.store.accept(delivery("d1", 1)).await.unwrap();
    bench.store.accept(delivery("d2", 1)).await.unwrap();
    assert_eq!(bench.store.take_up_neglected().await.unwrap(), 0, "its job waits");
    fail_assessment(&bench).await;
    bench.clock.advance(TEN_MINUTES.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(bench.store.take_up_neglected().await.unwrap(), 0);
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.store.take_up_neglected().await.unwrap(), 1);
    let again = bench.claim_kind("assess").await;
    assert_eq!(again.job.attempt, 1);
    assert_eq!(bench.store.take_up_neglected().await.unwrap(), 0, "it runs");
    let outcomes = ["d1", "d2"].map(|id| (DeliveryId(id.to_owned()), "done".to_owned()));
    bench.store.resolve(&again.claim, &outcomes).await.unwrap();
    bench.store.finish(&again.claim, succeeded(), &[]).await.unwrap();
    bench.clock.advance(DAY);
    assert_eq!(bench.store.take_up_neglected().await.unwrap(), 0, "nothing is open");
}

#[tokio::test]
async fn neither_an_old_order_nor_what_kills_the_bot_is_taken_up_by_itself() {
    let bench = Bench::new().await;
    bench.store.accept(comment("c1", change_ref(1))).await.unwrap();
    fail_assessment(&bench).await;
    bench.store.accept(delivery("d1", 2)).await.unwrap();
    for _ in 0..3 {
        bench.claim_kind("assess").await;
        bench.clock.advance(LEASE);
        bench.store.rescue("other", false).await.unwrap();
    }
    assert_eq!(bench.newest("assess").await.state, JobState::Dead);
    bench.clock.advance(DAY);
    assert_eq!(bench.store.take_up_neglected().await.unwrap(), 0);
}

#[tokio::test]
async fn deliveries_that_nothing_will_look_at_and_old_audit_records_are_pruned() {
    let bench = Bench::new().await;
    bench.store.accept(comment("c1", change_ref(1))).await.unwrap();
    fail_assessment(&bench).await;
    let record = |at| AuditRecord {
        at,
        actor: None,
        source: "comment".to_owned(),
        action: "deploy".to_owned(),
        environment: None,
        commit: None,
        detail: String::new(),
        allowed: true,
    };
    let now = bench.clock.now_ms();
    Audit::record(&bench.store, &record(now - 400 * DAY_MS - 1)).await.unwrap();
    Audit::record(&bench.store, &record(now - 400 * DAY_MS)).await.unwrap();
    let pruned = bench.store.prune_before(now + 1).await.unwrap();
    assert_eq!((pruned.deliveries, pruned.audit), (1, 1));
    assert_eq!(Audit::list(&bench.store, 10).await.unwrap(), [record(now - 400 * DAY_MS)]);
}

async fn fail_assessment(bench: &Bench) {
    let claimed = bench.claim_kind("assess").await;
    let end = JobEnd::Failed { reason: "the forge does not answer".to_owned() };
    bench.store.finish(&claimed.claim, end, &[]).await.unwrap();
}

pub(super) fn comment(id: &str, change: ChangeRef) -> NewDelivery {
    let kind = EventKind::Commented { comment: CommentRef { id: 9 } };
    let event = Event { kind, subject: Subject::Change(change), sender: None };
    NewDelivery {
        id: DeliveryId(id.to_owned()),
        forge: ForgeKind::Github,
        event_name: "issue_comment".to_owned(),
        action: Some("created".to_owned()),
        body: Vec::new(),
        parsed: Parsed::Event(Box::new(event)),
    }
}
