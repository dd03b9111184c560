//! What the process refuses to start with, and settings that come from the environment alone.

use std::process::Output;

use crate::support::bot::{REPO, Setup};
use crate::support::process::{Served, WEBHOOK_SECRET};

/// The one line that a refused start prints.
fn refusal(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("previewbot: ")).collect();
    assert_eq!(lines.len(), 1, "one clear line: {text}");
    lines[0].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_serve_on_the_same_database_is_refused() {
    let served = Served::start().await;
    let line = refusal(&served.run(&["serve", "--config", "previewbot.toml"]));
    assert!(line.contains("another previewbot serves this database"), "{line}");
    assert!(line.contains(&format!("pid {}", served.pid())), "{line}");
    let ready = reqwest::get(format!("http://{}/readyz", served.address())).await.unwrap();
    assert!(ready.status().is_success(), "the first one serves on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_named_in_one_line() {
    let served = Served::prepare(Setup::default(), "").await;
    let good = std::fs::read_to_string(served.path("previewbot.toml")).unwrap();
    std::fs::write(served.path("empty"), "\n").unwrap();
    std::fs::write(served.path("noise.pem"), "not a key").unwrap();
    let cases = [
        ("github-webhook-secret\"", "empty\"", "github.webhook_secret_file: the secret is empty"),
        ("webhook_secret_file = \"github-webhook-secret\"", "webhook_secret = \"\"", "github.webhook_secret: "),
        ("webhook_secret_file = \"github-webhook-secret\"", "", "github.webhook_secret: is not set"),
        ("github-app.pem", "missing.pem", "github.private_key_file: "),
        ("github-app.pem", "noise.pem", "private_key"),
        ("[server]", "[server]\nlisen = 1", "unknown key `server.lisen`; did you mean `server.listen`?"),
        ("listen = \"127.0.0.1:0\"", "listen = \"nowhere\"", "listen"),
        ("listen = \"127.0.0.1:0\"", "listen = \"192.0.2.1:80\"", "server.listen"),
        ("url = \"sqlite://", "url = \"sqlite:///proc/none", "/proc/none"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}");
        std::fs::write(served.path("bad.toml"), good.replacen(from, to, 1)).unwrap();
        let line = refusal(&served.run(&["serve", "--config", "bad.toml"]));
        assert!(line.contains(expected), "{to:?}: {line}");
        assert!(!line.contains(WEBHOOK_SECRET) && !line.contains("not a key"), "{line}");
    }
    let line = refusal(&served.run(&["serve", "--config", "none.toml"]));
    assert!(line.contains("none.toml") && line.contains("No such file"), "{line}");
    let line = refusal(&served.run(&["serve", "--config", "marks"]));
    assert!(line.contains("marks cannot be read"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_alone_can_hold_all_settings() {
    let mut served = Served::prepare(Setup::default(), "").await;
    std::fs::remove_file(served.path("previewbot.toml")).unwrap();
    let settings = served.world.settings().clone();
    let text = |pointer: &str| settings.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let mut command = served.command(&["serve"]);
    command
        .env("PREVIEWBOT__DATA_DIR", text("/data_dir"))
        .env("PREVIEWBOT__PUBLIC_URL", "http://bot.example")
        .env("PREVIEWBOT__SERVER__LISTEN", "127.0.0.1:0")
        .env("PREVIEWBOT__DATABASE__URL", text("/database/url"))
        .env("PREVIEWBOT__GITHUB__APP_ID", served.world.github.app_id().to_string())
        .env("PREVIEWBOT__GITHUB__PRIVATE_KEY", served.world.github.private_key_pem())
        .env("PREVIEWBOT__GITHUB__WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("PREVIEWBOT__GITHUB__API_URL", text("/github/api_url"))
        .env("PREVIEWBOT__GITHUB__GIT_URL", text("/github/git_url"));
    served.serve_with(command).await;
    let (number, sha) = served.world.open("feature", &[("x", Some("1"))]).await;
    served.world.check_ended(number, &sha, "action_required").await;
    let comments = served.world.github.checks(REPO, sha.as_str());
    let output = comments[0].output.to_string();
    assert!(output.contains("mode"), "no project is placed by the environment alone: {output}");
}
