use std::time::Duration;

use previewbot::domain::environment::Environment;
use previewbot::domain::job::{JobEnd, JobState};
use previewbot::domain::limits::Limits;
use previewbot::domain::ports::{
    ClaimedJob, EnvironmentOutcome, Environments, Hosts as _, JobQueue, Placed, Placing,
};
use previewbot::domain::trust::Trust;

use super::{Bench, sha, succeeded};

const UNTIL_TOLD: Duration = Duration::from_mins(2);

/// Tries to place what was claimed, as a worker does where there may be so many; whether it is there.
async fn tries(bench: &Bench, claimed: &ClaimedJob, all: u32) -> bool {
    let limits = Some(Limits { all, per_project: 50 });
    let placing = Placing { host: "local", trust: Trust::Trusted, capacity: None, limits };
    match bench.store.place(&claimed.claim, &placing).await.unwrap() {
        Placed::There => true,
        Placed::HostIsFull => panic!("the machine has no capacity to speak of"),
        Placed::Waits(reason) => {
            let wait = JobEnd::Wait { reason, after: UNTIL_TOLD };
            bench.store.finish(&claimed.claim, wait, &[]).await.unwrap();
            false
        }
    }
}

async fn gone(bench: &Bench, claimed: &ClaimedJob) {
    bench.store.record(&claimed.claim, EnvironmentOutcome::Destroyed).await.unwrap();
    bench.store.finish(&claimed.claim, succeeded(), &[]).await.unwrap();
}

async fn queue(bench: &Bench, environment: &Environment) -> (Option<(i64, i64)>, String) {
    let snapshot = bench.store.snapshot(environment.id).await.unwrap().unwrap();
    (snapshot.queue, snapshot.job.unwrap().reason)
}

#[tokio::test]
async fn previews_above_the_limit_wait_in_line_and_are_told_when_there_is_room() {
    let bench = Bench::new().await;
    let mut waiting = Vec::new();
    bench.push(1, &sha('a')).await;
    let first = bench.claim_kind("deploy").await;
    assert!(tries(&bench, &first, 1).await);
    for number in 2..=3 {
        bench.clock.advance(Duration::from_secs(1));
        waiting.push(bench.push(number, &sha('a')).await);
        let claimed = bench.claim_kind("deploy").await;
        assert!(!tries(&bench, &claimed, 1).await);
    }
    let (place, reason) = queue(&bench, &waiting[1]).await;
    assert_eq!(place, Some((2, 2)));
    assert!(reason.contains("limits.environments = 1"), "{reason}");
    assert!(bench.claim().await.is_none(), "nobody asks again before there is news");

    // A push does not lose the place in the line.
    bench.clock.advance(Duration::from_secs(1));
    bench.push(2, &sha('b')).await;
    let again = bench.claim_kind("deploy").await;
    assert!(!tries(&bench, &again, 1).await);
    assert_eq!(queue(&bench, &waiting[0]).await.0, Some((1, 2)));
    assert_eq!(queue(&bench, &waiting[1]).await.0, Some((2, 2)));

    gone(&bench, &first).await;
    let next = bench.claim_kind("deploy").await;
    assert_eq!(next.job.environment_id, Some(waiting[0].id));
    assert!(tries(&bench, &next, 1).await);
    let last = bench.claim_kind("deploy").await;
    assert_eq!(last.job.environment_id, Some(waiting[1].id), "there may be room for more than one");
    assert!(!tries(&bench, &last, 1).await);
    assert_eq!(bench.job(last.job.id).await.state, JobState::Waiting);
    // What is placed stays, whatever the limits are by now.
    assert!(tries(&bench, &next, 0).await);
}

#[tokio::test]
async fn who_waits_longer_goes_first_also_when_somebody_else_asks_first() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let first = bench.claim_kind("deploy").await;
    assert!(tries(&bench, &first, 1).await);
    bench.clock.advance(Duration::from_secs(1));
    let second = bench.push(2, &sha('a')).await;
    let claimed = bench.claim_kind("deploy").await;
    assert!(!tries(&bench, &claimed, 1).await);
    bench.clock.advance(Duration::from_secs(1));
    bench.push(3, &sha('a')).await;
    let third = bench.claim_kind("deploy").await;
    gone(&bench, &first).await;
    assert!(!tries(&bench, &third, 1).await, "the second waits longer");
    let next = bench.claim_kind("deploy").await;
    assert_eq!(next.job.environment_id, Some(second.id));
    assert!(tries(&bench, &next, 1).await);
}
