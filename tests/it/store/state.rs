use jiff::Timestamp;
use previewbot::domain::checkpoint::{AuditAction, AuditEntry};
use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::StatePort;
use previewbot::outbound::store::StoredState;

use super::{Bench, sha};

fn entry(name: &str) -> EnvironmentEntry {
    EnvironmentEntry { name: name.to_owned(), branch: "colours".to_owned(), ..EnvironmentEntry::default() }
}

fn line(step: &str) -> AuditEntry {
    AuditEntry {
        timestamp: Timestamp::UNIX_EPOCH.into(),
        step: step.to_owned(),
        action: AuditAction::Executed,
        machine: "m".to_owned(),
        duration_ms: 3,
        message: None,
        error: None,
    }
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was_with_its_history_apart() {
    let bench = Bench::new().await;
    let environment = bench.push(1, &sha('a')).await;
    let claim = bench.claim_kind("deploy").await.claim;
    let state = StoredState::new(bench.store.clone(), environment.id, Some(claim));
    assert_eq!(state.get_environment("pr-1").await.unwrap(), None);
    let with_history = EnvironmentEntry { audit_log: vec![line("x")], ..entry("pr-1") };
    state.set_environment(&with_history).await.unwrap();
    state.append_audit("pr-1", &line("one")).await.unwrap();
    state.append_audit("pr-1", &line("two")).await.unwrap();

    assert_eq!(state.get_environment("pr-1").await.unwrap(), Some(entry("pr-1")));
    assert_eq!(state.load().await.unwrap().environments["pr-1"], entry("pr-1"));
    assert_eq!(bench.environment(environment.id).await.entry, Some(entry("pr-1")));
    state.remove_environment("pr-1").await.unwrap();
    state.remove_environment("pr-1").await.unwrap();
    assert_eq!(state.get_environment("pr-1").await.unwrap(), None);
    let steps: Vec<_> = state.audit("pr-1").await.unwrap().into_iter().map(|a| a.step).collect();
    assert_eq!(steps, ["one", "two"]);
}

#[tokio::test]
async fn a_job_reads_its_whole_project_but_writes_its_own_environment_only() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    let two = bench.push(2, &sha('a')).await;
    let first = bench.claim_kind("deploy").await.claim;
    let second = bench.claim_kind("deploy").await.claim;
    let of_one = StoredState::new(bench.store.clone(), one.id, Some(first));
    let of_two = StoredState::new(bench.store.clone(), two.id, Some(second));
    of_two.set_environment(&entry("pr-2")).await.unwrap();
    assert!(of_one.load().await.unwrap().environments.contains_key("pr-2"));
    let refused = of_one.set_environment(&entry("pr-2")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    of_one.remove_environment("pr-2").await.unwrap();
    assert!(of_two.get_environment("pr-2").await.unwrap().is_some());
}

#[tokio::test]
async fn a_command_without_a_claim_may_write_within_the_project() {
    let bench = Bench::new().await;
    let one = bench.push(1, &sha('a')).await;
    bench.push(2, &sha('a')).await;
    let state = StoredState::new(bench.store.clone(), one.id, None);
    state.set_environment(&entry("pr-2")).await.unwrap();
    assert!(state.get_environment("pr-2").await.unwrap().is_some());
    assert!(state.set_environment(&entry("pr-9")).await.is_err());
}
