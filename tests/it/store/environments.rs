use std::collections::BTreeMap;
use std::sync::Arc;

use previewbot::domain::change::{ChangeNumber, Repository, RepositoryId};
use previewbot::domain::environment::{Desired, Environment, Failure};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::job::{JobEnd, JobState};
use previewbot::domain::ports::{
    ClaimedJob, Clock, EnvironmentOutcome, Environments, JobQueue, Journal, PortLeases, ProgressReporter,
};
use previewbot::domain::progress::{StepEvent, StepStatus};
use previewbot::domain::trust::Trust;
use previewbot::outbound::progress::JournalReporter;
use previewbot::outbound::store::StoredLeases;

use super::{Bench, DAY_MS, LEASE, repository, sha, succeeded};

pub(super) fn ready(generation: i64) -> EnvironmentOutcome {
    let urls = vec![("web".to_owned(), "http://localhost:1".to_owned())];
    EnvironmentOutcome::Ready { commit: sha('a'), generation, urls, deploy_ms: 41, seeded: true }
}

pub(super) fn failure(left_behind: &[&str]) -> Failure {
    Failure {
        step: "destroy".to_owned(),
        message: "folder is busy".to_owned(),
        exit_code: None,
        log_tail: Vec::new(),
        annotations: Vec::new(),
        left_behind: left_behind.iter().map(ToString::to_string).collect(),
    }
}

fn leases(bench: &Bench, claimed: &ClaimedJob) -> StoredLeases {
    StoredLeases::new(bench.store.clone(), claimed.claim.clone())
}

/// A preview that is up.
pub(super) async fn up(bench: &Bench) -> Environment {
    let environment = bench.push(1, &sha('a')).await;
    let claimed = bench.claim_kind("deploy").await;
    assert!(bench.placed(&claimed.claim, "local", Trust::Trusted).await);
    bench.store.record(&claimed.claim, ready(1)).await.unwrap();
    bench.store.finish(&claimed.claim, succeeded(), &[]).await.unwrap();
    bench.environment(environment.id).await
}

#[tokio::test]
async fn a_project_keeps_its_slug_when_its_repository_is_renamed() {
    let bench = Bench::new().await;
    let first = bench.project().await;
    let renamed = Repository { name: "acme/store".parse().unwrap(), installation: None, ..repository() };
    let found = bench.store.project(&renamed).await.unwrap().unwrap();
    assert_eq!((found.id, found.slug.as_str()), (first.id, "shop"));
    assert_eq!(found.repository.name.as_str(), "acme/store");
    assert_eq!(found.repository.installation, Some(77), "what is not said is not forgotten");
    let again = bench.store.ensure_project(&renamed, "other").await.unwrap();
    assert_eq!(again.slug.as_str(), "shop");
}

#[tokio::test]
async fn two_projects_of_one_name_get_different_slugs() {
    let bench = Bench::new().await;
    bench.project().await;
    let other = Repository { id: RepositoryId(u64::MAX), ..repository() };
    let other = bench.store.ensure_project(&other, "shop").await.unwrap();
    assert!(other.slug.as_str().starts_with("shop-"), "{}", other.slug);
    assert_eq!(other.repository.id, RepositoryId(u64::MAX));
}

#[tokio::test]
async fn a_ready_environment_is_published_and_will_expire() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    assert_eq!(environment.published, Some(sha('a')));
    assert_eq!(environment.urls[0].1, "http://localhost:1");
    assert_eq!((environment.deploy_ms, environment.host.as_deref()), (Some(41), Some("local")));
    let now = bench.clock.now_ms();
    assert_eq!((environment.seeded_at, environment.expires_at), (Some(now), Some(now + 7 * DAY_MS)));
}

#[tokio::test]
async fn an_older_generation_may_not_publish_nor_report_its_failure() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let claimed = bench.claim_kind("deploy").await;
    let environment = bench.push(1, &sha('b')).await;
    let refused = bench.store.record(&claimed.claim, ready(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let late = EnvironmentOutcome::Failed { generation: 1, failure: failure(&[]) };
    bench.store.record(&claimed.claim, late).await.unwrap();
    let now = bench.environment(environment.id).await;
    assert_eq!((now.published, now.failure), (None, None));
}

#[tokio::test]
async fn a_destroyed_environment_begins_a_new_life_and_gives_its_ports_back() {
    let bench = Bench::new().await;
    let before = up(&bench).await;
    bench.close(1).await;
    let claimed = bench.claim_kind("destroy").await;
    let ports = BTreeMap::from([("web".to_owned(), 20_001)]);
    leases(&bench, &claimed).lease("local", before.id, &ports).await.unwrap();
    bench.store.record(&claimed.claim, EnvironmentOutcome::Destroyed).await.unwrap();
    bench.store.finish(&claimed.claim, succeeded(), &[]).await.unwrap();

    let after = bench.environment(before.id).await;
    assert_ne!(after.life, before.life);
    assert_eq!((after.entry, after.published, after.expires_at, after.host), (None, None, None, None));
    assert!(after.urls.is_empty());
    assert_eq!(after.destroyed_at, Some(bench.clock.now_ms()));
    assert!(leases(&bench, &claimed).leases("local").await.unwrap().is_empty());
    assert!(Environments::list(&bench.store, false).await.unwrap().is_empty());
    assert_eq!(Environments::list(&bench.store, true).await.unwrap().len(), 1);
    let last: String = bench.ask("SELECT last_life FROM environments").await;
    assert_eq!(last, before.life.to_string());

    let revived = bench.push(1, &sha('b')).await;
    assert_eq!((revived.id, revived.life, revived.destroyed_at), (before.id, after.life, None));
}

#[tokio::test]
async fn a_destroy_that_failed_keeps_what_is_left_behind() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    let generation = bench.close(1).await.generation;
    let claimed = bench.claim_kind("destroy").await;
    let failed = EnvironmentOutcome::Failed { generation, failure: failure(&["the folder /srv/pr-1"]) };
    bench.store.record(&claimed.claim, failed).await.unwrap();
    let end = JobEnd::Failed { reason: "folder is busy".to_owned() };
    bench.store.finish(&claimed.claim, end, &[]).await.unwrap();
    let now = bench.environment(environment.id).await;
    assert_eq!(now.failure.unwrap().left_behind, ["the folder /srv/pr-1"]);
    assert_eq!(now.desired, Desired::Absent);
}

#[tokio::test]
async fn stop_and_reset_are_recorded() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    let order = previewbot::domain::decision::Decision {
        work: vec![previewbot::domain::job::Work::Reset { life: environment.life, service: "db".to_owned() }],
        ..previewbot::domain::decision::Decision::nothing("reset was asked for")
    };
    bench.assess(1, order).await.unwrap();
    let claimed = bench.claim_kind("reset").await;
    let failed = EnvironmentOutcome::Failed { generation: 1, failure: failure(&[]) };
    bench.store.record(&claimed.claim, failed).await.unwrap();
    bench.store.record(&claimed.claim, EnvironmentOutcome::DataReset).await.unwrap();
    let now = bench.environment(environment.id).await;
    assert_eq!((now.reset_at, now.failure), (Some(bench.clock.now_ms()), None));
    bench.store.record(&claimed.claim, EnvironmentOutcome::Stopped).await.unwrap();
    assert_eq!(bench.environment(environment.id).await.published, None);
}

#[tokio::test]
async fn a_port_of_a_host_belongs_to_one_environment() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    let two = bench.push(2, &sha('a')).await;
    let (first, second) = (bench.claim_kind("deploy").await, bench.claim_kind("deploy").await);
    let (firsts, seconds) = (leases(&bench, &first), leases(&bench, &second));
    let ports = |web, api| BTreeMap::from([("web".to_owned(), web), ("api".to_owned(), api)]);
    firsts.lease("local", one.id, &ports(20_001, 20_002)).await.unwrap();
    let taken = seconds.lease("local", two.id, &ports(20_003, 20_001)).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    assert!(taken.to_string().contains("20001"), "{taken}");
    seconds.lease("vm-1", two.id, &ports(20_003, 20_001)).await.unwrap();
    firsts.lease("local", one.id, &BTreeMap::from([("web".to_owned(), 20_002)])).await.unwrap();
    assert_eq!(seconds.leases("local").await.unwrap(), [(20_002, one.id, "web".to_owned())]);
    assert_eq!(seconds.release(one.id).await.unwrap_err().kind(), ErrorKind::Invalid);
    firsts.release(one.id).await.unwrap();
    assert!(firsts.leases("local").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_worker_that_lost_its_claim_can_neither_lease_ports_nor_give_them_back() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let lost = bench.claim_kind("deploy").await;
    let leases = leases(&bench, &lost);
    let ports = BTreeMap::from([("web".to_owned(), 20_001)]);
    leases.lease("local", environment.id, &ports).await.unwrap();
    bench.clock.advance(LEASE);
    bench.store.rescue("other", false).await.unwrap();
    let refused = [
        leases.lease("local", environment.id, &BTreeMap::new()).await.unwrap_err(),
        leases.release(environment.id).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|error| error.kind() == ErrorKind::Fenced), "{refused:?}");
    assert_eq!(leases.leases("local").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_snapshot_shows_the_open_job_else_the_last_one() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    let snapshot = bench.store.snapshot(environment.id).await.unwrap().unwrap();
    assert_eq!(snapshot.job.as_ref().unwrap().state, JobState::Succeeded);
    assert_eq!(snapshot.queue, None);
    bench.push(1, &sha('b')).await;
    let snapshot = bench.store.snapshot(environment.id).await.unwrap().unwrap();
    assert_eq!(snapshot.active_job().unwrap().generation, Some(2));
    assert_eq!(snapshot.queue, Some((1, 1)));
    assert!(bench.store.by_change(environment.project.id, ChangeNumber(9)).await.unwrap().is_none());
}

#[tokio::test]
async fn steps_of_the_present_try_are_journalled_in_order() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let claimed = bench.claim_kind("deploy").await;
    let reporter = JournalReporter::new(Arc::new(bench.store.clone()), claimed.job.id);
    let event = |step: &str, status, duration_ms| StepEvent {
        step: step.to_owned(),
        status,
        message: String::new(),
        duration_ms,
    };
    reporter.on_plan(&["one".to_owned(), "two".to_owned()]).await;
    reporter.on_plan(&["three".to_owned()]).await;
    reporter.on_step(&event("one", StepStatus::Started, None)).await;
    reporter.on_step(&event("one", StepStatus::Streaming, None)).await;
    reporter.on_step(&event("one", StepStatus::Completed, Some(7))).await;
    reporter.on_step(&event("two", StepStatus::Started, None)).await;
    let snapshot = bench.store.snapshot(environment.id).await.unwrap().unwrap();
    assert_eq!(snapshot.planned_steps, Some(3));
    let seen: Vec<_> = snapshot.steps.iter().map(|s| (s.step.as_str(), s.status, s.duration_ms)).collect();
    assert_eq!(seen, [("one", StepStatus::Completed, Some(7)), ("two", StepStatus::Started, None)]);

    bench.store.finish(&claimed.claim, JobEnd::GivenBack, &[]).await.unwrap();
    let again = bench.claim_kind("deploy").await;
    bench.store.plan(again.job.id, &["one".to_owned(), "two".to_owned()]).await.unwrap();
    let snapshot = bench.store.snapshot(environment.id).await.unwrap().unwrap();
    assert_eq!((snapshot.steps.len(), snapshot.planned_steps), (0, Some(2)));
}
