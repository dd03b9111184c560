use previewbot::domain::change::ChangeNumber;
use previewbot::domain::decision::Decision;
use previewbot::domain::environment::{Cause, Desired, Failure};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::event::DeliveryId;
use previewbot::domain::job::{JobEnd, JobState, Reaction, Reply, Work};
use previewbot::domain::ports::{Assessments, EnvironmentOutcome, Environments, Heartbeat, JobQueue};

use super::{
    Bench, DEPLOY, LEASE, assessment, change_ref, decided, delivery, record, retry, running, sha, succeeded,
};

fn reply() -> Reply {
    let reaction = Some(Reaction::Eyes);
    Reply { change: change_ref(1), comment: 9, reaction, body: None, marker: "m".to_owned() }
}

#[tokio::test]
async fn an_assessment_writes_environment_decision_job_and_outcome_together() {
    let bench = Bench::new().await;
    let project = bench.project().await;
    bench.store.accept(delivery("d1", 1)).await.unwrap();
    let claim = bench.claim_kind("assess").await.claim;
    let id = DeliveryId("d1".to_owned());
    let mut decision = record(running(&sha('a'), Cause::Change));
    decision.delivery = Some(id.clone());
    let mut assessment = assessment(project.clone(), 1, None, vec![decision.clone()]);
    assessment.deliveries = vec![(id.clone(), "deploying".to_owned())];
    bench.store.commit(&claim, assessment).await.unwrap();

    let environment = bench.store.by_change(project.id, ChangeNumber(1)).await.unwrap().unwrap();
    assert_eq!(environment.name.as_str(), "pr-1");
    assert_eq!(environment.desired, Desired::Running { commit: sha('a') });
    assert_eq!(environment.generation, 1);
    assert_eq!(environment.change.unwrap().title, "Warm colours");
    let deploy = bench.newest("deploy").await;
    assert_eq!((deploy.environment_id, deploy.generation), (Some(environment.id), Some(1)));
    assert_eq!(bench.store.delivery(&id).await.unwrap().unwrap().outcome.as_deref(), Some("deploying"));
    assert!(bench.store.pending("github:5001#1").await.unwrap().is_empty());
    assert_eq!(bench.store.decisions_of_delivery(&id).await.unwrap(), [decision.clone()]);
    assert_eq!(bench.store.decisions_of_environment(environment.id, 5).await.unwrap(), [decision]);
    assert_eq!(bench.due(5).await.len(), 1);
}

#[tokio::test]
async fn nothing_to_do_makes_no_environment_but_is_remembered() {
    let bench = Bench::new().await;
    assert!(bench.assess(1, Decision::nothing("it is a draft")).await.unwrap().is_none());
    // Once there is an environment, its decisions include that one.
    let environment = bench.push(1, &sha('a')).await;
    let decisions = bench.store.decisions_of_environment(environment.id, 5).await.unwrap();
    assert_eq!(decisions.len(), 2);
    assert_eq!(decisions[1].decision.reason, "nothing to do, because it is a draft");
}

#[tokio::test]
async fn an_untrusted_change_gets_a_row_so_that_it_can_be_reported() {
    let bench = Bench::new().await;
    let decision = decided(Desired::Absent, Cause::Untrusted, Vec::new());
    let environment = bench.assess(1, decision).await.unwrap().unwrap();
    assert_eq!((environment.desired, environment.cause), (Desired::Absent, Cause::Untrusted));
    assert_eq!(bench.due(5).await[0].environment, environment.id);
    assert_eq!(Environments::list(&bench.store, false).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_reply_alone_gets_a_row_to_be_recorded_in_but_nothing_to_report() {
    let bench = Bench::new().await;
    let decision =
        Decision { replies: vec![reply()], comment: Some(9), ..Decision::nothing("help was asked for") };
    let environment = bench.assess(1, decision).await.unwrap().unwrap();
    assert_eq!(environment.desired, Desired::Absent);
    let claimed = bench.claim_kind("reply").await;
    assert_eq!(claimed.job.work, Work::Reply(reply()));
    assert_eq!((claimed.job.environment_id, claimed.job.comment), (Some(environment.id), Some(9)));
    assert_eq!(claimed.claim.environment, None, "a reply locks nothing");
    bench.store.finish(&claimed.claim, succeeded(), &[]).await.unwrap();
}

#[tokio::test]
async fn a_stale_assessment_is_refused_whole() {
    let bench = Bench::new().await;
    let project = bench.project().await;
    let seen = bench.push(1, &sha('a')).await;
    bench.push(1, &sha('b')).await;
    let claim = bench.assess_claim(1).await;
    let stale = assessment(project.clone(), 1, Some(seen), vec![record(running(&sha('c'), Cause::Change))]);
    assert_eq!(bench.store.commit(&claim, stale).await.unwrap_err().kind(), ErrorKind::Conflict);
    let blind = assessment(project, 1, None, vec![record(running(&sha('c'), Cause::Change))]);
    assert_eq!(bench.store.commit(&claim, blind).await.unwrap_err().kind(), ErrorKind::Conflict);
    let deploy = bench.newest("deploy").await;
    let environment = bench.environment(deploy.environment_id.unwrap()).await;
    assert_eq!(environment.desired, Desired::Running { commit: sha('b') });
    assert_eq!(environment.generation, 2);
}

#[tokio::test]
async fn an_assessment_whose_claim_was_lost_writes_nothing() {
    let bench = Bench::new().await;
    let project = bench.project().await;
    let claim = bench.assess_claim(1).await;
    bench.clock.advance(LEASE);
    bench.store.rescue("worker", false).await.unwrap();
    bench.claim_kind("assess").await;
    let late = assessment(project.clone(), 1, None, vec![record(running(&sha('a'), Cause::Change))]);
    assert_eq!(bench.store.commit(&claim, late).await.unwrap_err().kind(), ErrorKind::Fenced);
    let outcome = [(DeliveryId("d1".to_owned()), "late".to_owned())];
    assert_eq!(bench.store.resolve(&claim, &outcome).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(bench.store.by_change(project.id, ChangeNumber(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_newer_push_supersedes_the_waiting_deploy() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let older = bench.newest("deploy").await;
    bench.push(1, &sha('b')).await;
    let newer = bench.newest("deploy").await;
    let older = bench.job(older.id).await;
    assert_eq!((older.state, older.reason.as_str()), (JobState::Superseded, "superseded by bbbbbbb"));
    assert_eq!((newer.state, newer.generation), (JobState::Queued, Some(2)));
    let by: i64 = bench.ask("SELECT superseded_by FROM jobs WHERE state = 'superseded'").await;
    assert_eq!(by, newer.id.0);
}

#[tokio::test]
async fn a_newer_push_also_supersedes_a_deploy_that_waits_to_be_tried_again() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let first = bench.claim_kind("deploy").await;
    bench.store.finish(&first.claim, retry(), &[]).await.unwrap();
    bench.push(1, &sha('b')).await;
    assert_eq!(bench.job(first.job.id).await.state, JobState::Superseded);
    assert_eq!(bench.claim_kind("deploy").await.job.generation, Some(2));
}

#[tokio::test]
async fn a_newer_push_asks_the_running_deploy_to_stop_and_takes_its_place() {
    let bench = Bench::new().await;
    bench.push(1, &sha('a')).await;
    let first = bench.claim_kind("deploy").await;
    let environment = bench.push(1, &sha('b')).await;
    assert_eq!(environment.push_cancellations, 1);
    let heard = bench.store.heartbeat(&first.claim, LEASE).await.unwrap();
    assert_eq!(heard, Heartbeat::CancelRequested("superseded by bbbbbbb".to_owned()));
    assert!(bench.claim().await.is_none());
    // Should it fail in a way that is worth another try, the newer one serves for it.
    bench.store.finish(&first.claim, retry(), &[]).await.unwrap();
    assert_eq!(bench.job(first.job.id).await.state, JobState::Superseded);
    assert_eq!(bench.claim_kind("deploy").await.job.generation, Some(2));
}

#[tokio::test]
async fn after_three_cancellations_by_pushes_the_running_deploy_finishes_and_is_published() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('0')).await;
    for (n, commit) in ['1', '2', '3'].into_iter().enumerate() {
        let claimed = bench.claim_kind("deploy").await;
        let now = bench.push(1, &sha(commit)).await;
        assert_eq!(now.push_cancellations, i64::try_from(n).unwrap() + 1);
        let end = JobEnd::Cancelled { reason: "superseded".to_owned() };
        bench.store.finish(&claimed.claim, end, &[]).await.unwrap();
    }
    let spared = bench.claim_kind("deploy").await;
    bench.push(1, &sha('4')).await;
    bench.push(1, &sha('5')).await;
    assert_eq!(bench.store.heartbeat(&spared.claim, LEASE).await.unwrap(), Heartbeat::Held);
    let ready = EnvironmentOutcome::Ready {
        commit: sha('3'),
        generation: spared.job.generation.unwrap(),
        urls: Vec::new(),
        deploy_ms: 1,
        seeded: false,
    };
    bench.store.record(&spared.claim, ready).await.unwrap();
    bench.store.finish(&spared.claim, succeeded(), &[]).await.unwrap();
    let now = bench.environment(environment.id).await;
    assert_eq!((now.published, now.push_cancellations), (Some(sha('3')), 0));
    // The newest follows, and can be cancelled again.
    let next = bench.claim_kind("deploy").await;
    bench.push(1, &sha('6')).await;
    let heard = bench.store.heartbeat(&next.claim, LEASE).await.unwrap();
    assert_eq!(heard, Heartbeat::CancelRequested("superseded by 6666666".to_owned()));
}

#[tokio::test]
async fn a_close_cancels_the_running_deploy_however_often_pushes_did() {
    let bench = Bench::new().await;
    bench.push(1, &sha('0')).await;
    for commit in ['1', '2', '3'] {
        let claimed = bench.claim_kind("deploy").await;
        bench.push(1, &sha(commit)).await;
        let end = JobEnd::Cancelled { reason: "superseded".to_owned() };
        bench.store.finish(&claimed.claim, end, &[]).await.unwrap();
    }
    let running = bench.claim_kind("deploy").await;
    bench.close(1).await;
    let heard = bench.store.heartbeat(&running.claim, LEASE).await.unwrap();
    assert!(matches!(heard, Heartbeat::CancelRequested(why) if why.starts_with("superseded by destroy")));
}

#[tokio::test]
async fn a_destroy_supersedes_what_waits_to_be_reset() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let deploy = bench.claim_kind("deploy").await;
    let reset = Work::Reset { life: environment.life, service: "db".to_owned() };
    let order = Decision { work: vec![reset], comment: Some(9), ..Decision::nothing("reset was asked for") };
    bench.assess(1, order).await.unwrap();
    let reset = bench.newest("reset").await;
    assert_eq!(reset.comment, Some(9));
    bench.close(1).await;
    assert_eq!(bench.job(reset.id).await.state, JobState::Superseded);
    bench.store.finish(&deploy.claim, succeeded(), &[]).await.unwrap();
    bench.claim_kind("destroy").await;
}

#[tokio::test]
async fn the_generation_rises_with_what_is_wanted_and_with_every_deploy_that_is_asked_for() {
    let bench = Bench::new().await;
    let a = running(&sha('a'), Cause::Change);
    let same = Decision { work: Vec::new(), ..a.clone() };
    let command = running(&sha('a'), Cause::Command);
    let closed = decided(Desired::Absent, Cause::Closed, Vec::new());
    let expected = [(a, 1), (same, 1), (command.clone(), 2), (command, 3), (closed, 4)];
    for (decision, generation) in expected {
        let environment = bench.assess(1, decision.clone()).await.unwrap().unwrap();
        assert_eq!(environment.generation, generation, "{decision:?}");
    }
}

#[tokio::test]
async fn a_persons_choice_is_kept_with_who_made_it() {
    let bench = Bench::new().await;
    let decision = Decision {
        actor: Some("octo".to_owned()),
        reason: "octo said destroy".to_owned(),
        ..decided(Desired::Absent, Cause::Command, vec![Work::Destroy])
    };
    let environment = bench.assess(1, decision).await.unwrap().unwrap();
    assert!(environment.sticky);
    assert_eq!((environment.actor.as_deref(), environment.reason.as_str()), (Some("octo"), "octo said destroy"));
}

#[tokio::test]
async fn a_failure_is_forgotten_when_a_new_commit_is_wanted() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let claimed = bench.claim_kind("deploy").await;
    let failure = Failure {
        step: "runner_build".to_owned(),
        message: "exit code 3".to_owned(),
        exit_code: Some(3),
        log_tail: vec!["boom".to_owned()],
        annotations: Vec::new(),
        left_behind: Vec::new(),
    };
    let outcome = EnvironmentOutcome::Failed { generation: 1, failure: failure.clone() };
    bench.store.record(&claimed.claim, outcome).await.unwrap();
    bench.store.finish(&claimed.claim, JobEnd::Failed { reason: "exit code 3".to_owned() }, &[]).await.unwrap();
    assert_eq!(bench.environment(environment.id).await.failure, Some(failure));
    assert_eq!(bench.push(1, &sha('b')).await.failure, None);
}

#[tokio::test]
async fn several_decisions_of_one_assessment_are_applied_in_turn() {
    let bench = Bench::new().await;
    let project = bench.project().await;
    let claim = bench.assess_claim(1).await;
    let decisions = vec![
        record(running(&sha('a'), Cause::Change)),
        record(decided(Desired::Absent, Cause::Command, vec![Work::Destroy])),
        record(Decision { work: vec![DEPLOY], ..running(&sha('a'), Cause::Command) }),
    ];
    bench.store.commit(&claim, assessment(project.clone(), 1, None, decisions)).await.unwrap();
    let environment = bench.store.by_change(project.id, ChangeNumber(1)).await.unwrap().unwrap();
    assert_eq!((environment.generation, environment.revision), (3, 2));
    let open: Vec<_> =
        bench.jobs().await.into_iter().filter(|j| j.state == JobState::Queued).map(|j| j.work).collect();
    assert_eq!(open, [DEPLOY]);
}
