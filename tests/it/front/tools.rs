//! What the tests through the front door ask of a bot besides what `TestBot` offers.

use std::path::{Path, PathBuf};

use previewbot::demo::fake_github::FakeCheck;
use previewbot::domain::change::Sha;
use serde_json::{Value, json};

use crate::support::bot::{REPO, Setup, TestBot, eventually, processes_with};

/// A bot whose repository holds these files, with changes to the usual settings.
pub(super) async fn bot_with(files: &[(&str, &str)], settings: Value) -> TestBot {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    TestBot::with(Setup { files, settings }).await
}

/// The demo's bot, whose next change gets this number: previews of the same name ask for the same ports, and a server
/// that restarts could lose its port to another test's.
pub(super) async fn bot_of_change(number: u64) -> TestBot {
    let bot = TestBot::start().await;
    for _ in 1..number {
        bot.github.open_issue(REPO).unwrap();
    }
    bot
}

/// Hooks that may take a second and no longer.
pub(super) fn one_second() -> Value {
    json!({ "limits": { "step_timeout_seconds": 1 } })
}

/// The check of a commit.
pub(super) fn check_of(bot: &TestBot, sha: &Sha) -> FakeCheck {
    bot.github.checks(REPO, sha.as_str()).pop().unwrap()
}

/// Path, line and message of each annotation of a commit's check.
pub(super) fn annotations(bot: &TestBot, sha: &Sha) -> Vec<(String, u64, String)> {
    let output = check_of(bot, sha).output;
    let text = |annotation: &Value, key: &str| annotation[key].as_str().unwrap().to_owned();
    let read = |annotation: &Value| {
        (text(annotation, "path"), annotation["start_line"].as_u64().unwrap(), text(annotation, "message"))
    };
    output["annotations"].as_array().unwrap().iter().map(read).collect()
}

/// Path, line and message of the only annotation of a commit's check.
pub(super) fn annotation(bot: &TestBot, sha: &Sha) -> (String, u64, String) {
    let all = annotations(bot, sha);
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

/// Waits until a file is there.
pub(super) async fn file_there(path: &Path) {
    eventually(&path.display().to_string(), String::new, || async { path.exists().then_some(()) }).await;
}

/// Waits until an environment serves this commit.
pub(super) async fn published(bot: &TestBot, name: &str, sha: &Sha) {
    let looking = || async {
        let all = bot.environments().await;
        all.into_iter().find(|e| e.name.as_str() == name && e.published.as_ref() == Some(sha)).map(drop)
    };
    let seen = || bot.github.checks(REPO, sha.as_str()).iter().map(|check| check.output.to_string()).collect();
    eventually(&format!("{name} at {sha}"), seen, looking).await;
}

/// Processes of an environment's present life.
pub(super) async fn processes(bot: &TestBot, name: &str) -> Vec<String> {
    let life = bot.environment(name).await.life.to_string();
    processes_with("PREVIEWCTL_ENVIRONMENT_ID", &life).into_values().collect()
}

/// Every file and folder below a folder.
pub(super) fn everything_in(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}
