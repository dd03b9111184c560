//! Environments of folders: the same rows and the same queue, held by a command.

use std::path::Path;
use std::time::Duration;

use previewbot::domain::environment::{Desired, ProjectId};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::job::{JobEnd, JobState};
use previewbot::domain::ports::{Errand, FolderEnvironments, Housekeeping, JobQueue, Reports, StatePort};
use previewbot::outbound::store::StoredState;

use super::{Bench, DAY_MS, LEASE, sha};

fn errand(project: ProjectId, name: &str, owner: &str) -> Errand {
    Errand {
        project,
        name: name.to_owned(),
        command: "create".to_owned(),
        desired: Some(Desired::Running { commit: sha('a') }),
        make: true,
        owner: owner.to_owned(),
        lease: LEASE,
    }
}

const ALIVE: &(dyn for<'a> Fn(&'a str) -> bool + Sync) = &|_| false;

async fn folder(bench: &Bench) -> ProjectId {
    bench.store.ensure_folder_project(Path::new("/home/me/shop"), "shop").await.unwrap().project.id
}

#[tokio::test]
async fn a_folder_is_one_project_and_another_of_that_name_gets_a_slug_of_its_own() {
    let bench = Bench::new().await;
    let first = bench.store.ensure_folder_project(Path::new("/home/me/shop"), "shop").await.unwrap();
    let again = bench.store.ensure_folder_project(Path::new("/home/me/shop"), "renamed").await.unwrap();
    let other = bench.store.ensure_folder_project(Path::new("/home/you/shop"), "shop").await.unwrap();
    assert_eq!(first, again);
    assert_eq!(first.project.slug.as_str(), "shop");
    assert!(other.project.slug.as_str().starts_with("shop-"));
    assert_eq!(bench.store.folder_projects().await.unwrap().len(), 2);
    assert!(bench.store.folder_project(Path::new("/home/me")).await.unwrap().is_none());
}

#[tokio::test]
async fn one_command_at_a_time_holds_an_environment() {
    let bench = Bench::new().await;
    let project = folder(&bench).await;
    let held = bench.store.take(&errand(project, "feat/a", "process 7 1 boot"), ALIVE).await.unwrap();
    let error = bench.store.take(&errand(project, "feat/a", "process 8 1 boot"), ALIVE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("`previewbot create` (process 7)"), "{error}");
    // Another environment, also one whose tame name is alike, is free.
    bench.store.take(&errand(project, "feat-a", "process 8 1 boot"), ALIVE).await.unwrap();
    let done = JobEnd::Succeeded { reason: "done".to_owned() };
    bench.store.finish(&held.claim, done, &[]).await.unwrap();
    let next = bench.store.take(&errand(project, "feat/a", "process 9 1 boot"), ALIVE).await.unwrap();
    assert!(next.claim.epoch > held.claim.epoch);
}

#[tokio::test]
async fn a_dead_commands_hold_is_over_at_once_and_a_strangers_when_its_lease_is() {
    let bench = Bench::new().await;
    let project = folder(&bench).await;
    let dead = bench.store.take(&errand(project, "a", "process 7 1 boot"), ALIVE).await.unwrap();
    let gone = |owner: &str| owner.starts_with("process 7 ");
    bench.store.take(&errand(project, "a", "stranger"), &gone).await.unwrap();
    let state = StoredState::new(bench.store.clone(), dead.claim.environment.unwrap(), Some(dead.claim.clone()));
    assert_eq!(state.remove_environment("a").await.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(bench.store.take(&errand(project, "a", "process 8 1 boot"), &gone).await.is_err());
    bench.clock.advance(LEASE);
    bench.store.take(&errand(project, "a", "process 8 1 boot"), &gone).await.unwrap();
    let job = JobQueue::get(&bench.store, dead.job.id).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert!(job.reason.contains("ended before it was done"));
}

/// Neither the start of a server nor its janitor and reporter touch what a person made.
#[tokio::test]
async fn a_server_leaves_folders_alone() {
    let bench = Bench::new().await;
    let project = folder(&bench).await;
    let held = bench.store.take(&errand(project, "a", "process 7 1 boot"), ALIVE).await.unwrap();
    assert_eq!(bench.store.rescue("server", true).await.unwrap(), []);
    assert!(bench.due(10).await.is_empty());
    assert_eq!(bench.store.next_due_at().await.unwrap(), None);
    let failed = JobEnd::Failed { reason: "no".to_owned() };
    bench.store.finish(&held.claim, failed, &[]).await.unwrap();
    let absent = Errand { desired: Some(Desired::Absent), ..errand(project, "a", "process 7 1 boot") };
    let held = bench.store.take(&absent, ALIVE).await.unwrap();
    let entry = previewbot::domain::entry::EnvironmentEntry { name: "a".to_owned(), ..Default::default() };
    let id = held.claim.environment.unwrap();
    StoredState::new(bench.store.clone(), id, Some(held.claim.clone())).set_environment(&entry).await.unwrap();
    bench.store.finish(&held.claim, JobEnd::Failed { reason: "no".to_owned() }, &[]).await.unwrap();
    bench.clock.advance(Duration::from_millis(3 * DAY_MS.unsigned_abs()));
    assert!(bench.store.revive().await.unwrap().is_empty());
    assert!(bench.store.expire().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_people_call_environments_stays_their_name() {
    let bench = Bench::new().await;
    let project = folder(&bench).await;
    let held = bench.store.take(&errand(project, "Feat/Ä", "process 7 1 boot"), ALIVE).await.unwrap();
    let id = held.claim.environment.unwrap();
    let state = StoredState::new(bench.store.clone(), id, Some(held.claim.clone()));
    let entry = previewbot::domain::entry::EnvironmentEntry { name: "Feat/Ä".to_owned(), ..Default::default() };
    state.set_environment(&entry).await.unwrap();
    assert_eq!(state.get_environment("Feat/Ä").await.unwrap(), Some(entry));
    assert!(state.load().await.unwrap().environments.contains_key("Feat/Ä"));
    let found = bench.store.environment_named(project, "Feat/Ä").await.unwrap().unwrap();
    assert_eq!(found.called(), "Feat/Ä");
    assert!(bench.store.environment_named(project, "feat-ä").await.unwrap().is_none());
    let missing = Errand { make: false, ..errand(project, "nobody", "process 7 1 boot") };
    assert_eq!(bench.store.take(&missing, ALIVE).await.unwrap_err().kind(), ErrorKind::NotFound);
}
