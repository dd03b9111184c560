use std::time::Duration;

use previewbot::domain::environment::{Cause, Desired};
use previewbot::domain::job::{JobEnd, JobState, Work};
use previewbot::domain::ports::{EnvironmentOutcome, Environments, Heartbeat, JobQueue};

use super::environments::up;
use super::{Bench, LEASE, decided, retry, running, sha, succeeded};

#[tokio::test]
async fn a_running_destroy_is_never_cancelled_and_the_new_deploy_waits_for_it() {
    let bench = Bench::new().await;
    bench.close(1).await;
    let destroy = bench.claim_kind("destroy").await;
    let environment = bench.push(1, &sha('b')).await;
    assert_eq!(bench.store.heartbeat(&destroy.claim, LEASE).await.unwrap(), Heartbeat::Held);
    assert!(bench.claim().await.is_none());
    bench.push(1, &sha('c')).await;
    bench.store.record(&destroy.claim, EnvironmentOutcome::Destroyed).await.unwrap();
    bench.store.finish(&destroy.claim, succeeded(), &[]).await.unwrap();
    let deploy = bench.claim_kind("deploy").await;
    assert_eq!((deploy.claim.environment, deploy.job.generation), (Some(environment.id), Some(3)));
}

#[tokio::test]
async fn a_deploy_does_not_wait_for_a_destroy_that_is_to_be_tried_again() {
    let bench = Bench::new().await;
    up(&bench).await;
    bench.close(1).await;
    let destroy = bench.claim_kind("destroy").await;
    bench.store.finish(&destroy.claim, retry(), &[]).await.unwrap();
    assert!(bench.claim().await.is_none());
    let environment = bench.assess(1, running(&sha('a'), Cause::Command)).await.unwrap().unwrap();
    assert_eq!(environment.published, None, "half of what was published may be gone");
    assert_eq!(bench.job(destroy.job.id).await.state, JobState::Superseded);
    assert_eq!(bench.claim_kind("deploy").await.job.generation, Some(environment.generation));
}

#[tokio::test]
async fn a_destroy_that_fails_gives_way_to_the_deploy_that_waits_for_it() {
    for crashed in [false, true] {
        let bench = Bench::new().await;
        bench.close(1).await;
        let destroy = bench.claim_kind("destroy").await;
        bench.push(1, &sha('b')).await;
        if crashed {
            bench.clock.advance(LEASE);
            bench.store.rescue("other", false).await.unwrap();
        } else {
            bench.store.finish(&destroy.claim, retry(), &[]).await.unwrap();
        }
        assert_eq!(bench.job(destroy.job.id).await.state, JobState::Superseded);
        bench.claim_kind("deploy").await;
    }
}

#[tokio::test]
async fn a_newer_destroy_supersedes_whatever_waits() {
    let bench = Bench::new().await;
    bench.close(1).await;
    let first = bench.claim_kind("destroy").await;
    bench.store.finish(&first.claim, retry(), &[]).await.unwrap();
    let order = decided(Desired::Absent, Cause::Command, vec![Work::Destroy]);
    bench.assess(1, order).await.unwrap();
    assert_eq!(bench.job(first.job.id).await.state, JobState::Superseded);
    let second = bench.claim_kind("destroy").await;
    assert_eq!((second.job.attempt, second.claim.claims), (1, 1));
}

#[tokio::test]
async fn what_a_destroy_gave_up_on_is_not_taken_for_published() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    bench.close(1).await;
    let destroy = bench.claim_kind("destroy").await;
    assert_eq!(bench.environment(environment.id).await.published, Some(sha('a')));
    let end = JobEnd::Failed { reason: "folder is busy".to_owned() };
    bench.store.finish(&destroy.claim, end, &[]).await.unwrap();
    let left = bench.environment(environment.id).await;
    assert_eq!((left.published, left.urls), (None, Vec::new()));
    bench.clock.advance(Duration::from_hours(1));
    assert!(bench.claim().await.is_none());
}
