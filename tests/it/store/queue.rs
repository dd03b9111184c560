use std::time::Duration;

use previewbot::domain::error::ErrorKind;
use previewbot::domain::job::{JobEnd, JobState, NewJob, Work};
use previewbot::domain::ports::{Environments, Heartbeat, JobFilter, JobQueue, Room};

use super::{Bench, DEPLOY, LEASE, delivery, retry, sha, succeeded};

fn reset(environment: &previewbot::domain::environment::Environment) -> NewJob {
    NewJob {
        work: Work::Reset { life: environment.life, service: "db".to_owned() },
        environment: Some(environment.id),
        generation: Some(environment.generation),
        comment: Some(9),
        reason: "somebody asked".to_owned(),
    }
}

#[tokio::test]
async fn one_environment_runs_one_job_at_a_time_and_others_do_not_wait_for_it() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    bench.push(2, &sha('a')).await;
    bench.store.enqueue(&[reset(&one)]).await.unwrap();

    let first = bench.claim_kind("deploy").await;
    assert_eq!(first.claim.environment, Some(one.id));
    let second = bench.claim_kind("deploy").await;
    assert_ne!(second.claim.environment, Some(one.id));
    assert!(bench.claim().await.is_none(), "the reset waits for the deploy of its environment");
    bench.store.finish(&first.claim, succeeded(), &[]).await.unwrap();
    bench.claim_kind("reset").await;
}

#[tokio::test]
async fn the_database_itself_refuses_a_second_running_job_of_an_environment() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    bench.store.enqueue(&[reset(&environment)]).await.unwrap();
    bench.claim_kind("deploy").await;
    let cheat = "UPDATE jobs SET state = 'running', owner = 'x', lease_until = 1 WHERE kind = 'reset'";
    assert!(bench.change(cheat).await.unwrap_err().as_database_error().unwrap().is_unique_violation());
    let cheat = "UPDATE jobs SET state = 'failed' WHERE kind = 'reset'";
    assert!(bench.change(cheat).await.unwrap_err().as_database_error().unwrap().is_check_violation());
}

#[tokio::test]
async fn priority_orders_environments_and_arrival_orders_jobs_of_one() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    bench.store.enqueue(&[reset(&one)]).await.unwrap();
    bench.push(2, &sha('a')).await;
    bench.close(3).await;

    assert_eq!(bench.claim_kind("destroy").await.job.environment.as_deref(), Some("pr-3"));
    // The reset has the higher priority, but it came after the deploy of its own environment.
    let deploy = bench.claim_kind("deploy").await;
    assert_eq!(deploy.job.environment.as_deref(), Some("pr-1"));
    bench.store.finish(&deploy.claim, succeeded(), &[]).await.unwrap();
    bench.claim_kind("reset").await;
    assert_eq!(bench.claim_kind("deploy").await.job.environment.as_deref(), Some("pr-2"));
}

#[tokio::test]
async fn a_job_that_is_to_be_tried_again_holds_back_the_younger_ones_of_its_environment() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let deploy = bench.claim_kind("deploy").await;
    bench.store.enqueue(&[reset(&environment)]).await.unwrap();
    bench.store.finish(&deploy.claim, retry(), &[]).await.unwrap();
    assert!(bench.claim().await.is_none());
    let due = bench.store.next_run_at().await.unwrap().unwrap();
    assert_eq!(due, bench.job(deploy.job.id).await.run_at);
    bench.clock.advance(Duration::from_secs(2));
    bench.claim_kind("deploy").await;
}

#[tokio::test]
async fn without_a_slot_environment_jobs_wait_with_a_reason_and_spend_no_attempt() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    bench.store.accept(delivery("d1", 2)).await.unwrap();
    let no_slots = Room { environments: false, ..Room::ALL };
    let quick = bench.store.claim("worker", LEASE, no_slots).await.unwrap().unwrap();
    assert_eq!(quick.job.work.kind(), "assess");
    assert!(bench.store.claim("worker", LEASE, no_slots).await.unwrap().is_none());
    let deploy = bench.newest("deploy").await;
    assert_eq!((deploy.state, deploy.attempt), (JobState::Waiting, 0));
    assert_eq!(deploy.reason, "all worker slots are busy");
    let snapshot = bench.store.snapshot(environment.id).await.unwrap().unwrap();
    assert_eq!(snapshot.queue, Some((1, 1)));

    let claimed = bench.claim_kind("deploy").await;
    assert_eq!(claimed.job.attempt, 1);
    assert_ne!(claimed.job.reason, "all worker slots are busy", "why it exists is told again");
}

#[tokio::test]
async fn without_room_for_quick_jobs_environment_jobs_are_still_taken() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    bench.store.accept(delivery("d1", 2)).await.unwrap();
    let environments_only = Room { quick: false, ..Room::ALL };
    let claimed = bench.store.claim("worker", LEASE, environments_only).await.unwrap().unwrap();
    assert_eq!(claimed.job.work.kind(), "deploy");
    assert!(bench.store.claim("worker", LEASE, environments_only).await.unwrap().is_none());
    bench.claim_kind("assess").await;
}

#[tokio::test]
async fn a_worker_without_work_does_not_ask_for_the_write_lock() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    bench.claim_kind("deploy").await;
    let writer = bench.write_lock().await;
    assert!(bench.claim().await.is_none(), "a claim that wanted the lock would fail");
    drop(writer);
}

#[tokio::test]
async fn every_claim_is_counted_also_where_no_attempt_is_spent() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let first = bench.claim_kind("deploy").await;
    bench.store.finish(&first.claim, JobEnd::GivenBack, &[]).await.unwrap();
    let second = bench.claim_kind("deploy").await;
    bench.clock.advance(LEASE);
    bench.store.rescue("other", false).await.unwrap();
    let third = bench.claim_kind("deploy").await;
    let counted = [&first, &second, &third].map(|claimed| (claimed.job.attempt, claimed.claim.claims));
    assert_eq!(counted, [(1, 1), (1, 2), (1, 3)]);
}

#[tokio::test]
async fn a_failed_job_is_tried_again_later_and_later_until_its_attempts_are_used_up() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    for attempt in 1..5 {
        let claimed = bench.claim_kind("deploy").await;
        assert_eq!(claimed.job.attempt, attempt);
        bench.store.finish(&claimed.claim, retry(), &[]).await.unwrap();
        let wait = Duration::from_secs(2u64.pow(u32::try_from(attempt).unwrap()));
        bench.clock.advance(wait / 2);
        assert!(bench.claim().await.is_none());
        bench.clock.advance(wait / 2);
    }
    let last = bench.claim_kind("deploy").await;
    bench.store.finish(&last.claim, retry(), &[]).await.unwrap();
    let job = bench.job(last.job.id).await;
    assert_eq!((job.state, job.reason.as_str()), (JobState::Failed, "host unreachable"));
    assert!(job.finished_at.is_some());
}

#[tokio::test]
async fn a_job_that_is_given_back_keeps_its_attempt_and_is_ready_at_once() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let first = bench.claim_kind("deploy").await;
    bench.store.finish(&first.claim, JobEnd::GivenBack, &[]).await.unwrap();
    let again = bench.claim_kind("deploy").await;
    assert_eq!((again.job.id, again.job.attempt), (first.job.id, 1));
    // Same worker, same attempt: still another claim.
    assert_eq!(bench.store.heartbeat(&first.claim, LEASE).await.unwrap(), Heartbeat::Lost);
    assert_eq!(bench.store.finish(&first.claim, succeeded(), &[]).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(bench.store.heartbeat(&again.claim, LEASE).await.unwrap(), Heartbeat::Held);
}

#[tokio::test]
async fn a_cancelled_waiting_job_ends_at_once_and_a_running_one_hears_of_it() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    bench.push(2, &sha('a')).await;
    let running = bench.claim_kind("deploy").await;
    let waiting = bench.newest("deploy").await;
    bench.store.cancel(waiting.id, "octo asked").await.unwrap();
    assert_eq!(bench.job(waiting.id).await.state, JobState::Cancelled);

    bench.store.cancel(running.job.id, "octo asked").await.unwrap();
    let heard = bench.store.heartbeat(&running.claim, LEASE).await.unwrap();
    assert_eq!(heard, Heartbeat::CancelRequested("octo asked".to_owned()));
    // Whatever it ends with, it is not tried again.
    bench.store.finish(&running.claim, retry(), &[]).await.unwrap();
    assert_eq!(bench.job(running.job.id).await.state, JobState::Cancelled);
    assert!(bench.claim().await.is_none());
}

#[tokio::test]
async fn follow_ups_are_added_with_the_end_or_not_at_all() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let claimed = bench.claim_kind("deploy").await;
    let broken = NewJob { environment: None, work: DEPLOY, ..reset(&environment) };
    assert!(bench.store.finish(&claimed.claim, succeeded(), &[broken]).await.is_err());
    assert_eq!(bench.job(claimed.job.id).await.state, JobState::Running);
    bench.store.finish(&claimed.claim, succeeded(), &[reset(&environment)]).await.unwrap();
    bench.claim_kind("reset").await;
}

#[tokio::test]
async fn a_job_of_a_newer_format_waits_and_says_why() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    bench.change("UPDATE jobs SET payload_version = 2 WHERE kind = 'deploy'").await.unwrap();
    assert!(bench.claim().await.is_none());
    let job = bench.newest("deploy").await;
    assert_eq!(job.state, JobState::Waiting);
    assert!(job.reason.contains("newer previewbot"), "{}", job.reason);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_ends_and_the_next_one_is_claimed() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    bench.push(2, &sha('a')).await;
    let damage = "UPDATE jobs SET payload = '{\"kind\":\"dance\"}' WHERE environment_id = 1 AND kind = 'deploy'";
    bench.change(damage).await.unwrap();
    assert_eq!(bench.claim_kind("deploy").await.job.environment.as_deref(), Some("pr-2"));
    let state: String = bench.ask("SELECT state FROM jobs WHERE environment_id = 1 AND kind = 'deploy'").await;
    assert_eq!(state, "failed");
}

#[tokio::test]
async fn jobs_are_listed_newest_first_by_state_and_environment() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    bench.push(2, &sha('a')).await;
    let queued = JobFilter { states: vec![JobState::Queued, JobState::Waiting], ..JobFilter::default() };
    let found = JobQueue::list(&bench.store, &queued).await.unwrap();
    let names: Vec<_> = found.iter().map(|job| job.environment.clone().unwrap()).collect();
    assert_eq!(names, ["pr-2", "pr-1"]);
    assert_eq!(found[0].project.as_deref(), Some("shop"));
    let one = JobFilter { environment: Some("pr-1".to_owned()), ..JobFilter::default() };
    assert_eq!(JobQueue::list(&bench.store, &one).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_place_in_the_queue_follows_the_order_of_claims() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    let two = bench.push(2, &sha('a')).await;
    let three = bench.close(3).await;
    let place = async |id| bench.store.snapshot(id).await.unwrap().unwrap().queue;
    assert_eq!(place(three.id).await, Some((1, 3)));
    assert_eq!(place(one.id).await, Some((2, 3)));
    assert_eq!(place(two.id).await, Some((3, 3)));
    bench.claim_kind("destroy").await;
    assert_eq!(place(three.id).await, None);
    assert_eq!(place(two.id).await, Some((2, 2)));
}

#[tokio::test]
async fn a_new_job_wakes_who_waits_also_when_it_came_first() {
    let bench = Bench::new().await;
    let woken = || tokio::time::timeout(Duration::from_secs(5), JobQueue::woken(&bench.store));
    bench.store.accept(delivery("d1", 1)).await.unwrap();
    woken().await.expect("news that came before are kept");
    let (heard, accepted) = tokio::join!(woken(), bench.store.accept(delivery("d2", 2)));
    accepted.unwrap();
    heard.expect("news that come while waiting are heard");
}
