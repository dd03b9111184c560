use previewbot::domain::change::{Change, Head};
use previewbot::domain::decision::{Decision, DesiredChange};
use previewbot::domain::environment::{Cause, Desired, Environment};
use previewbot::domain::ports::{Assessments, EnvironmentOutcome, Environments, JobQueue};
use previewbot::domain::trust::{Approval, Trust};

use super::{Bench, DEPLOY, assessment, change, record, running, sha, succeeded};

fn approval() -> Approval {
    Approval { commit: sha('a'), base: "main".to_owned(), by: "grace".to_owned(), at: 7 }
}

/// Somebody lets the change's commit run.
async fn approved(bench: &Bench) -> Environment {
    let desired = DesiredChange {
        desired: Desired::Running { commit: sha('a') },
        cause: Cause::Command,
        sticky: false,
        trust: Trust::Untrusted,
    };
    let decision = Decision {
        desired: Some(desired),
        work: vec![DEPLOY],
        approval: Some(approval()),
        ..Decision::nothing("this is a test")
    };
    bench.assess(1, decision).await.unwrap().unwrap()
}

/// An assessment that finds the change so and decides nothing.
async fn seen(bench: &Bench, change: Change) -> Environment {
    let project = bench.project().await;
    let environment = bench.store.by_change(project.id, change.number).await.unwrap();
    let claim = bench.assess_claim(1).await;
    let nothing = vec![record(Decision::nothing("this is a test"))];
    let found = previewbot::domain::ports::Assessment { change, ..assessment(project, 1, environment, nothing) };
    let number = found.change.number;
    let project = found.project.id;
    bench.store.commit(&claim, found).await.unwrap();
    bench.store.finish(&claim, succeeded(), &[]).await.unwrap();
    bench.store.by_change(project, number).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_approval_is_kept_until_the_commit_or_the_base_is_another() {
    let bench = Bench::new().await;
    let environment = approved(&bench).await;
    assert_eq!((environment.trust, environment.approval), (Trust::Untrusted, Some(approval())));
    assert_eq!(seen(&bench, change(1)).await.approval, Some(approval()), "the same commit");
    let pushed = Change { head: Head { sha: sha('c'), ..change(1).head }, ..change(1) };
    assert_eq!(seen(&bench, pushed).await.approval, None);
    assert_eq!(seen(&bench, change(1)).await.approval, None, "it does not come back with the commit");
    approved(&bench).await;
    let mut elsewhere = change(1);
    "release".clone_into(&mut elsewhere.base.branch);
    assert_eq!(seen(&bench, elsewhere).await.approval, None);
}

#[tokio::test]
async fn a_life_keeps_the_trust_that_it_was_placed_for_until_it_is_destroyed() {
    let bench = Bench::new().await;
    let stranger = approved(&bench).await;
    let claimed = bench.claim_kind("deploy").await;
    assert!(bench.placed(&claimed.claim, "vm-1", Trust::Untrusted).await);
    assert_eq!(bench.environment(stranger.id).await.life_trust, Some(Trust::Untrusted));

    let own = bench.assess(1, running(&sha('a'), Cause::Command)).await.unwrap().unwrap();
    assert_eq!((own.trust, own.life_trust), (Trust::Trusted, Some(Trust::Untrusted)));
    assert!(own.is_outlived() && own.generation > stranger.generation, "the same commit is another wish");
    assert!(bench.placed(&claimed.claim, "vm-1", Trust::Untrusted).await);
    assert_eq!(
        bench.environment(own.id).await.life_trust,
        Some(Trust::Untrusted),
        "placing again changes nothing"
    );

    bench.store.record(&claimed.claim, EnvironmentOutcome::Destroyed).await.unwrap();
    let gone = bench.environment(own.id).await;
    assert_eq!((gone.life_trust, gone.trust), (None, Trust::Trusted));
    assert!(gone.life != own.life && !gone.is_outlived());
}

#[tokio::test]
async fn a_life_has_the_trust_that_its_worker_saw_whatever_was_decided_since() {
    let bench = Bench::new().await;
    let own = bench.assess(1, running(&sha('a'), Cause::Change)).await.unwrap().unwrap();
    let claimed = bench.claim_kind("deploy").await;
    assert_eq!(own.trust, Trust::Trusted);
    let stranger = approved(&bench).await;
    assert!(bench.placed(&claimed.claim, "local", own.trust).await);
    let placed = bench.environment(stranger.id).await;
    assert_eq!((placed.trust, placed.life_trust), (Trust::Untrusted, Some(Trust::Trusted)));
    assert!(placed.is_outlived(), "it goes before a stranger's code comes");
}
