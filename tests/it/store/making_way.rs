use previewbot::domain::disk::Remedy;
use previewbot::domain::environment::{Cause, Desired, Environment, LifeId};
use previewbot::domain::job::{Claim, JobState};
use previewbot::domain::ports::{
    EnvironmentOutcome, Environments as _, Heartbeat, Housekeeping as _, JobQueue as _, MakeWay,
};
use previewbot::domain::trust::Trust;

use super::environments::up;
use super::{Bench, LEASE, sha, succeeded};

const WHY: &str = "pr-1 filled the disk of vm-1";

fn order(environment: &Environment, remedy: Remedy) -> MakeWay {
    MakeWay {
        environment: environment.id,
        life: environment.life,
        host: "vm-1".to_owned(),
        remedy,
        why: WHY.to_owned(),
    }
}

/// A preview whose deploy runs on a host.
async fn deploying(bench: &Bench) -> (Environment, Claim) {
    let environment = bench.push(1, &sha('a')).await;
    let deploy = bench.claim_kind("deploy").await.claim;
    assert!(bench.placed(&deploy, "vm-1", Trust::Trusted).await);
    (bench.environment(environment.id).await, deploy)
}

#[tokio::test]
async fn a_deploy_that_runs_is_asked_to_stop_and_the_destroy_comes_next() {
    let bench = Bench::new().await;
    let (environment, deploy) = deploying(&bench).await;
    assert!(bench.store.make_way(&order(&environment, Remedy::Destroy)).await.unwrap());
    let heard = bench.store.heartbeat(&deploy, LEASE).await.unwrap();
    assert!(matches!(&heard, Heartbeat::CancelRequested(why) if why.contains(WHY)), "{heard:?}");
    let now = bench.environment(environment.id).await;
    assert_eq!((now.desired, now.cause, now.sticky), (Desired::Absent, Cause::Disk, false));
    assert_eq!((now.reason.as_str(), now.generation), (WHY, environment.generation + 1));
    bench.store.finish(&deploy, succeeded(), &[]).await.unwrap();
    bench.claim_kind("destroy").await;
    assert!(!bench.store.make_way(&order(&environment, Remedy::Destroy)).await.unwrap(), "it goes already");
}

#[tokio::test]
async fn what_was_not_made_wholly_is_destroyed_rather_than_stopped() {
    let bench = Bench::new().await;
    let (environment, deploy) = deploying(&bench).await;
    assert!(bench.store.make_way(&order(&environment, Remedy::Stop)).await.unwrap());
    bench.store.finish(&deploy, succeeded(), &[]).await.unwrap();
    bench.claim_kind("destroy").await;
}

#[tokio::test]
async fn a_preview_that_is_stopped_for_it_may_be_destroyed_for_it_later_and_a_push_brings_it_back() {
    let bench = Bench::new().await;
    let up = up(&bench).await;
    bench.change("UPDATE environments SET host = 'vm-1', entry = coalesce(entry, '{}')").await.unwrap();
    let environment = bench.environment(up.id).await;
    assert!(environment.entry.is_some());
    assert!(bench.store.make_way(&order(&environment, Remedy::Stop)).await.unwrap());
    assert!(!bench.store.make_way(&order(&environment, Remedy::Stop)).await.unwrap());
    let stop = bench.claim_kind("stop").await;
    bench.store.record(&stop.claim, EnvironmentOutcome::Stopped).await.unwrap();
    bench.store.finish(&stop.claim, succeeded(), &[]).await.unwrap();
    assert_eq!(bench.environment(up.id).await.cause, Cause::Disk);
    assert!(bench.store.make_way(&order(&environment, Remedy::Destroy)).await.unwrap());
    let destroy = bench.newest("destroy").await;
    let pushed = bench.push(1, &sha('b')).await;
    assert_eq!((pushed.desired, pushed.cause), (Desired::Running { commit: sha('b') }, Cause::Change));
    assert_eq!(bench.job(destroy.id).await.state, JobState::Superseded);
}

#[tokio::test]
async fn nobody_goes_for_what_a_former_life_or_another_host_was_found_to_hold() {
    let bench = Bench::new().await;
    let (environment, _deploy) = deploying(&bench).await;
    let elsewhere = MakeWay { host: "vm-2".to_owned(), ..order(&environment, Remedy::Destroy) };
    assert!(!bench.store.make_way(&elsewhere).await.unwrap());
    let before = Environment { life: LifeId(uuid::Uuid::nil()), ..environment.clone() };
    assert!(!bench.store.make_way(&order(&before, Remedy::Destroy)).await.unwrap());
    assert!(matches!(bench.environment(environment.id).await.desired, Desired::Running { .. }));
}
