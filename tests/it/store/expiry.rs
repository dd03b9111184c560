use std::time::Duration;

use previewbot::domain::decision::Decision;
use previewbot::domain::environment::{Cause, Desired};
use previewbot::domain::job::{JobEnd, JobState};
use previewbot::domain::ports::{
    Assessment, Assessments, Clock, EnvironmentOutcome, Environments, Housekeeping, JobQueue,
};
use previewbot::domain::project::Terms;
use previewbot::domain::project::policy::CommentMode;

use super::environments::{ready, up};
use super::{Bench, DAY_MS, DEPLOY, Serving, assessment, open_at, record, running, sha, succeeded};

const WEEK: Duration = Duration::from_hours(7 * 24);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_push_shortly_before_the_end_begins_a_new_life_time() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    bench.clock.advance(WEEK.checked_sub(HALF_A_MINUTE).unwrap());
    let pushed = bench.push(1, &sha('b')).await;
    assert_eq!(pushed.expires_at, Some(bench.clock.now_ms() + 7 * DAY_MS));
    bench.clock.advance(HALF_A_MINUTE * 2);
    assert!(bench.store.expire().await.unwrap().is_empty());
    assert_eq!(bench.environment(environment.id).await.desired, Desired::Running { commit: sha('b') });
    bench.claim_kind("deploy").await;
}

#[tokio::test]
async fn a_preview_lives_as_long_as_its_policy_says() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    assert_eq!(environment.expires_at, Some(bench.clock.now_ms() + 7 * DAY_MS), "as the settings say for all");
    let terms = Terms { ttl_ms: Some(DAY_MS), comment: CommentMode::Off };
    let claim = bench.assess_claim(1).await;
    let decisions = vec![record(running(&sha('b'), Cause::Change))];
    let found =
        Assessment { terms: Some(terms), ..assessment(bench.project().await, 1, Some(environment), decisions) };
    bench.store.commit(&claim, found).await.unwrap();
    bench.store.finish(&claim, succeeded(), &[]).await.unwrap();
    let deploy = bench.claim_kind("deploy").await;
    let wanted = bench.environment(deploy.job.environment_id.unwrap()).await;
    assert_eq!((wanted.terms, wanted.expires_at), (terms, Some(bench.clock.now_ms() + DAY_MS)));
    bench.clock.advance(HALF_A_MINUTE);
    bench.store.record(&deploy.claim, ready(wanted.generation)).await.unwrap();
    assert_eq!(bench.environment(wanted.id).await.expires_at, Some(bench.clock.now_ms() + DAY_MS));
}

#[tokio::test]
async fn a_preview_is_not_expired_while_it_is_deployed_again_and_is_when_that_failed() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    bench.clock.advance(WEEK.checked_sub(HALF_A_MINUTE).unwrap());
    // The same commit once more: nothing is desired that was not.
    let again = Decision { work: vec![DEPLOY], ..Decision::nothing("deploy was asked for") };
    bench.assess(1, again).await.unwrap();
    let deploy = bench.claim_kind("deploy").await;
    // A life time that ended while the job was open, whatever set it.
    bench.change("UPDATE environments SET expires_at = 1").await.unwrap();
    assert!(bench.store.expire().await.unwrap().is_empty());
    bench.store.finish(&deploy.claim, JobEnd::Failed { reason: "broken".to_owned() }, &[]).await.unwrap();
    assert_eq!(bench.store.expire().await.unwrap(), [environment.id]);
    bench.claim_kind("destroy").await;
}

#[tokio::test]
async fn a_deploy_that_is_asked_for_while_the_expiry_waits_wins_and_lives_anew() {
    let bench = Bench::new().await;
    let environment = up(&bench).await;
    bench.clock.advance(WEEK);
    assert_eq!(bench.store.expire().await.unwrap(), [environment.id]);
    let destroy = bench.newest("destroy").await;
    let wanted = bench.assess(1, running(&sha('a'), Cause::Command)).await.unwrap().unwrap();
    assert_eq!(wanted.expires_at, Some(bench.clock.now_ms() + 7 * DAY_MS));
    assert_eq!(bench.job(destroy.id).await.state, JobState::Superseded);
    assert!(bench.store.expire().await.unwrap().is_empty());
    let deploy = bench.claim_kind("deploy").await;
    bench.store.finish(&deploy.claim, JobEnd::Failed { reason: "broken".to_owned() }, &[]).await.unwrap();
    assert!(bench.store.expire().await.unwrap().is_empty(), "a failed deploy keeps the new life time");
}

#[tokio::test]
async fn what_never_becomes_ready_expires_too() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let deploy = bench.claim_kind("deploy").await;
    bench.store.finish(&deploy.claim, JobEnd::Failed { reason: "broken".to_owned() }, &[]).await.unwrap();
    bench.clock.advance(WEEK);
    assert_eq!(bench.store.expire().await.unwrap(), [environment.id]);
}

#[tokio::test]
async fn a_life_time_that_began_while_the_former_life_was_destroyed_stays() {
    let bench = Bench::new().await;
    up(&bench).await;
    bench.close(1).await;
    let destroy = bench.claim_kind("destroy").await;
    let wanted = bench.push(1, &sha('b')).await;
    bench.store.record(&destroy.claim, EnvironmentOutcome::Destroyed).await.unwrap();
    bench.store.finish(&destroy.claim, succeeded(), &[]).await.unwrap();
    let reborn = bench.environment(wanted.id).await;
    assert!(reborn.expires_at.is_some());
    assert_eq!(reborn.expires_at, wanted.expires_at);
}

#[tokio::test]
async fn without_a_limit_nothing_expires() {
    let bench = Bench::new().await;
    let store = open_at(bench.location(), &bench.clock, Serving::No, 0).await.unwrap();
    let bench = Bench { store, ..bench };
    assert_eq!(bench.push(1, &sha('a')).await.expires_at, None);
}
