//! A project's secret that a hook prints reaches nobody.

use std::process::Command;

use serde_json::json;

use super::tools::{bot_with, everything_in};
use crate::support::bot::{REPO, TestBot, deploy_only};

const SECRET: &str = "planted-Secret-4f1c";

/// What the command line prints about the bot's database.
fn printed(bot: &TestBot, arguments: &[&str]) -> String {
    let settings = bot.settings();
    let output = Command::new(env!("CARGO_BIN_EXE_previewbot"))
        .args(arguments)
        .env("PREVIEWBOT__DATA_DIR", settings["data_dir"].as_str().unwrap())
        .env("PREVIEWBOT__DATABASE__URL", settings["database"]["url"].as_str().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_failing_hook_prints_is_seen_nowhere() {
    let sources = tempfile::tempdir().unwrap();
    let file = sources.path().join("token");
    std::fs::write(&file, SECRET).unwrap();
    let projects = json!([{
        "repository": format!("github:{REPO}"),
        "mode": "local",
        "secrets": { "API_TOKEN": format!("file:{}", file.display()) },
    }]);
    let hook = "echo \"out $API_TOKEN\"; echo \"err $API_TOKEN\" >&2; [ ${#API_TOKEN} = 19 ] && exit 3";
    let bot = bot_with(&[("previewctl.yaml", &deploy_only(hook))], json!({ "projects": projects })).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "failure").await;
    let body = bot.comment_with(number, "(exit code 3)").await.body;
    assert!(
        body.contains("out ") && body.contains("err "),
        "the hook had the secret and its lines are shown: {body}"
    );
    bot.idle().await;

    for request in bot.github.requests() {
        assert!(!format!("{request:?}").contains(SECRET), "{} {}", request.method, request.path);
    }
    let commands: [&[&str]; 5] = [
        &["list"],
        &["list", "--all", "--json"],
        &["status", "pr-1"],
        &["status", "pr-1", "--json"],
        &["jobs", "--json"],
    ];
    for arguments in commands {
        let text = printed(&bot, arguments);
        assert!(text.contains("pr-1") && !text.contains(SECRET), "{arguments:?}: {text}");
    }
    let holds = |path: &std::path::PathBuf| {
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    };
    let files = everything_in(bot.data.path());
    assert!(files.iter().any(|path| path.ends_with("previewbot.db")), "{files:?}");
    let found: Vec<_> = files.iter().filter(|path| holds(path)).collect();
    assert!(found.is_empty(), "{found:?}");
}
