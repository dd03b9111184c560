//! Hooks that are missing, hang, say nothing, say too much, fail or leave a daemon behind.

use std::time::{Duration, Instant};

use serde_json::json;

use super::tools::{bot_with, check_of, one_second, processes, published};
use crate::support::bot::{REPO, TestBot, deploy_only};

/// A configuration whose service `db` is seeded by this hook, and whose deploy hook wants what it printed.
fn seeded_by(seed: &str) -> String {
    let (seed, deploy) =
        (json!(seed), json!("echo \"got $PREVIEWCTL_STORE_URL\"; [ $PREVIEWCTL_STORE_URL = the-last ]"));
    format!(
        "version: 1\nname: shop\nprovisioner:\n  services:\n    db:\n      outputs: [GLOBAL_URL]\n      \
         seed: {seed}\nrunner:\n  deploy: {deploy}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_hook_script_is_named() {
    let bot = TestBot::with_config(&deploy_only("./nope.sh")).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "failure").await;
    let comment = bot.comment_with(number, "Preview failed").await;
    assert!(comment.body.contains("nope.sh does not exist at this commit"), "{}", comment.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_hangs_is_killed_with_its_grandchildren_and_the_limit_is_named() {
    let hook = "sh -c 'sleep 600 & wait' & sleep 600";
    let bot = bot_with(&[("previewctl.yaml", &deploy_only(hook))], one_second()).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "failure").await;
    let comment = bot.comment_with(number, "Preview failed").await;
    assert!(comment.body.contains("did not end within 1 s"), "{}", comment.body);
    assert_eq!(processes(&bot, "pr-1").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_prints_none_of_its_outputs_is_told_which() {
    let bot = TestBot::with_config(&seeded_by("true")).await;
    let (number, sha) = bot.open("feature", &[]).await;
    assert_eq!(bot.check_ended(number, &sha, "failure").await, "Failed at seed_db");
    let comment = bot.comment_with(number, "Preview failed").await;
    assert!(comment.body.contains("did not print its declared output GLOBAL_URL"), "{}", comment.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outputs_at_the_end_of_three_megabytes_are_read() {
    let seed = "head -c 3000000 /dev/zero | tr '\\0' x | fold -w 100; echo; echo GLOBAL_URL=the-last";
    let bot = TestBot::with_config(&seeded_by(seed)).await;
    let (_, sha) = bot.open("feature", &[]).await;
    published(&bot, "pr-1", &sha).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_exits_3_is_shown_with_its_step_its_code_and_at_most_15_last_lines() {
    let hook = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo \"line $i\"; done; exit 3";
    let bot = TestBot::with_config(&deploy_only(hook)).await;
    let (number, sha) = bot.open("feature", &[]).await;
    assert_eq!(bot.check_ended(number, &sha, "failure").await, "Failed at runner_deploy");
    let body = bot.comment_with(number, "Preview failed").await.body;
    assert!(body.contains("`runner_deploy`") && body.contains("(exit code 3)"), "{body}");
    let shown = |text: &str| text.lines().filter(|line| line.starts_with("line ")).count();
    assert_eq!(shown(&body), 15, "{body}");
    assert!(body.contains("line 40") && !body.contains("line 25\n"), "{body}");
    assert!(body.contains("/preview deploy --from runner_deploy"), "{body}");
    let check = check_of(&bot, &sha);
    assert_eq!(shown(check.output["text"].as_str().unwrap()), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_ends_with_its_hook_though_a_daemon_holds_its_output_and_the_daemon_ends_with_the_preview() {
    let bot = TestBot::with_config(&deploy_only("setsid sleep 600 & sleep 601 & echo started")).await;
    let began = Instant::now();
    let (number, sha) = bot.open("feature", &[]).await;
    published(&bot, "pr-1", &sha).await;
    assert!(began.elapsed() < Duration::from_secs(30), "the step waited for the daemon");
    let daemons = processes(&bot, "pr-1").await;
    assert_eq!(daemons.len(), 2, "{daemons:?}");
    // What comes and goes before it was ever shown gets no comment.
    bot.comment_with(number, "Preview ready").await;
    bot.github.people().close(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "Preview destroyed").await;
    assert_eq!(processes(&bot, "pr-1").await, Vec::<String>::new());
}
