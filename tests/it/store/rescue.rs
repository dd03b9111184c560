use std::time::Duration;

use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::environment::Desired;
use previewbot::domain::error::ErrorKind;
use previewbot::domain::job::JobState;
use previewbot::domain::ports::{
    EnvironmentOutcome, Environments, Heartbeat, Hosts as _, JobQueue, Room, StatePort,
};
use previewbot::domain::trust::Trust;
use previewbot::outbound::store::StoredState;

use super::{Bench, LEASE, placing, sha, succeeded};

#[tokio::test]
async fn a_heartbeat_keeps_the_lease_and_its_end_loses_the_job() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let claimed = bench.claim_kind("deploy").await;
    bench.clock.advance(Duration::from_secs(20));
    assert_eq!(bench.store.heartbeat(&claimed.claim, LEASE).await.unwrap(), Heartbeat::Held);
    bench.clock.advance(Duration::from_secs(20));
    assert!(bench.store.rescue("other", false).await.unwrap().is_empty());
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.store.rescue("other", false).await.unwrap(), [claimed.job.id]);
    assert_eq!(bench.store.heartbeat(&claimed.claim, LEASE).await.unwrap(), Heartbeat::Lost);
    let again = bench.claim_kind("deploy").await;
    assert_eq!((again.job.attempt, again.job.crashes), (1, 1), "a crash spends no attempt");
}

#[tokio::test]
async fn a_worker_that_lost_its_claim_can_change_nothing() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let lost = bench.claim_kind("deploy").await;
    let state = StoredState::new(bench.store.clone(), environment.id, Some(lost.claim.clone()));
    let entry = EnvironmentEntry { name: "pr-1".to_owned(), ..EnvironmentEntry::default() };
    state.set_environment(&entry).await.unwrap();

    bench.clock.advance(LEASE);
    bench.store.rescue("other", false).await.unwrap();
    // Fenced from the rescue on, whether or not anybody took the job over yet.
    for taken_over in [false, true] {
        if taken_over {
            bench.claim_kind("deploy").await;
        }
        let fenced = [
            state.set_environment(&entry).await.unwrap_err(),
            state.remove_environment("pr-1").await.unwrap_err(),
            bench.store.record(&lost.claim, EnvironmentOutcome::Destroyed).await.unwrap_err(),
            bench.store.place(&lost.claim, &placing("local", Trust::Trusted)).await.map(drop).unwrap_err(),
            bench.store.finish(&lost.claim, succeeded(), &[]).await.unwrap_err(),
        ];
        assert!(fenced.iter().all(|error| error.kind() == ErrorKind::Fenced), "{fenced:?}");
    }
    let now = bench.environment(environment.id).await;
    assert_eq!(now.life, environment.life);
    assert!(now.entry.is_some());
}

#[tokio::test]
async fn every_claim_of_an_environment_raises_its_epoch() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let first = bench.claim_kind("deploy").await;
    bench.clock.advance(LEASE);
    bench.store.rescue("other", false).await.unwrap();
    let second = bench.claim_kind("deploy").await;
    assert!(second.claim.epoch > first.claim.epoch);
    assert_eq!(bench.environment(second.claim.environment.unwrap()).await.epoch, second.claim.epoch);
}

#[tokio::test]
async fn a_job_is_dead_after_three_crashes_and_says_so() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let mut id = None;
    for _ in 0..3 {
        id = Some(bench.claim_kind("deploy").await.job.id);
        bench.clock.advance(LEASE);
        bench.store.rescue("other", false).await.unwrap();
    }
    assert!(bench.claim().await.is_none());
    let job = bench.job(id.unwrap()).await;
    assert_eq!((job.state, job.crashes), (JobState::Dead, 3));
    assert!(job.reason.contains("died 3 times"), "{}", job.reason);
    let failure = bench.environment(environment.id).await.failure.unwrap();
    assert!(failure.message.contains("died 3 times"), "{}", failure.message);
    // The environment is not stuck: a push goes on.
    bench.push(1, &sha('b')).await;
    bench.claim_kind("deploy").await;
}

#[tokio::test]
async fn a_bot_that_starts_takes_back_what_its_predecessor_held_and_nothing_of_its_own() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    bench.push(2, &sha('a')).await;
    let old = bench.store.claim("run", LEASE, Room::ALL).await.unwrap().unwrap();
    let own = bench.store.claim("run-2", LEASE, Room::ALL).await.unwrap().unwrap();
    assert!(bench.store.rescue("run-2", false).await.unwrap().is_empty());
    assert_eq!(bench.store.rescue("run-2", true).await.unwrap(), [old.job.id]);
    assert_eq!(bench.store.heartbeat(&own.claim, LEASE).await.unwrap(), Heartbeat::Held);
}

#[tokio::test]
async fn a_rescued_deploy_gives_way_to_the_one_that_waits() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let old = bench.claim_kind("deploy").await;
    let environment = bench.push(1, &sha('b')).await;
    assert_eq!(environment.desired, Desired::Running { commit: sha('b') });
    bench.clock.advance(LEASE);
    bench.store.rescue("other", false).await.unwrap();
    assert_eq!(bench.job(old.job.id).await.state, JobState::Superseded);
    assert_eq!(bench.claim_kind("deploy").await.job.generation, Some(2));
}
