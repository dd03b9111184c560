use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::ports::StatePort;
use previewbot::outbound::store::StoredState;
use tempfile::TempDir;

use super::{Bench, sha};
use crate::support::small_disk::SmallDisk;

fn entry(branch: &str) -> EnvironmentEntry {
    EnvironmentEntry { name: "pr-1".to_owned(), branch: branch.to_owned(), ..EnvironmentEntry::default() }
}

#[tokio::test]
async fn an_entry_that_does_not_fit_leaves_the_old_one_whole() {
    let folder = TempDir::new().unwrap();
    let Some(disk) = SmallDisk::over(folder.path(), 4096) else { return };
    let bench = Bench::within(folder).await;
    let environment = bench.push(1, &sha('a')).await;
    let state = StoredState::new(bench.store.clone(), environment.id, None);
    state.set_environment(&entry("old")).await.unwrap();
    let large = entry(&"x".repeat(500_000));
    for left in [64 * 1024, 0] {
        disk.fill(left);
        let error = state.set_environment(&large).await.unwrap_err();
        assert!(error.chain().contains("full"), "{}", error.chain());
        assert_eq!(state.get_environment("pr-1").await.unwrap(), Some(entry("old")));
        disk.empty();
    }
    state.set_environment(&large).await.unwrap();
    assert_eq!(state.get_environment("pr-1").await.unwrap(), Some(large));
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&bench.sql().await).await.unwrap();
    assert_eq!(sound, "ok");
}
