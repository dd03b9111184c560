//! Commands about a preview that is there: stop and start, keep, cancel, logs, why.

use previewbot::domain::environment::Desired;
use previewbot::domain::job::JobState;
use previewbot::domain::ports::Clock as _;
use previewbot::outbound::clock::SystemClock;
use serde_json::json;

use super::tools::{bot_of_change, bot_with, file_there, published};
use crate::support::bot::{REPO, TestBot, deploy_only, get};

async fn reply_with(bot: &TestBot, number: u64, part: &str) -> String {
    let comment = bot.comment_with(number, part).await;
    assert!(comment.body.contains("previewbot:reply:"), "{}", comment.body);
    comment.body
}

async fn ordered(bot: &TestBot, number: u64, order: &str, reaction: &str) {
    let comment = bot.say(number, order).await;
    bot.reaction(number, comment, reaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_preview_stays_so_until_it_is_started_and_has_its_data_then() {
    let bot = bot_of_change(61).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let before = bot.environment("pr-61").await;
    let url = bot.url("pr-61").await;
    ordered(&bot, number, "/preview stop", "rocket").await;
    bot.comment_with(number, "Preview stopped").await;
    bot.check_ended(number, &sha, "neutral").await;
    assert!(get(&url).await.is_none(), "nothing answers");
    ordered(&bot, number, "/preview reset", "confused").await;
    let pushed = bot.push(number, "feature", &[("more", Some("more"))]).await;
    bot.check_ended(number, &pushed, "neutral").await;
    bot.idle().await;
    assert!(get(&url).await.is_none(), "a push does not bring it up");
    ordered(&bot, number, "/preview start", "rocket").await;
    bot.check_ended(number, &pushed, "success").await;
    published(&bot, "pr-61", &pushed).await;
    assert!(get(&bot.url("pr-61").await).await.is_some());
    let after = bot.environment("pr-61").await;
    assert_eq!((after.life, after.seeded_at), (before.life, before.seeded_at), "its data is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_lives_longer_also_through_a_redeploy() {
    let bot = bot_with(&[("previewctl.yaml", &deploy_only("true"))], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    ordered(&bot, number, "/preview keep 30d", "rocket").await;
    // A moment of the thirtieth is over already.
    bot.comment_with(number, "expires in 29 days").await;
    ordered(&bot, number, "/preview deploy", "rocket").await;
    bot.idle().await;
    let expires = bot.environment("pr-1").await.expires_at.unwrap();
    assert!(expires > SystemClock.now_ms() + 29 * 86_400_000, "{expires}");
    ordered(&bot, number, "/preview keep", "confused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_cancelled_ends_and_the_next_push_begins_again() {
    let gate = tempfile::tempdir().unwrap();
    let path = gate.path().display();
    let hook = format!("touch {path}/begun; until [ -e {path}/open ]; do sleep 0.05; done");
    let bot = bot_with(&[("previewctl.yaml", &deploy_only(&hook))], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    file_there(&gate.path().join("begun")).await;
    ordered(&bot, number, "/preview cancel", "rocket").await;
    bot.check_ended(number, &sha, "cancelled").await;
    let comment = bot.comment_with(number, "Preview cancelled").await;
    assert!(comment.body.contains("said cancel"), "{}", comment.body);
    bot.idle().await;
    let jobs = bot.jobs().await;
    let deploys: Vec<_> = jobs.iter().filter(|job| job.work.converges()).map(|job| job.state).collect();
    assert_eq!(deploys, [JobState::Cancelled]);
    assert!(matches!(bot.environment("pr-1").await.desired, Desired::Running { .. }));
    ordered(&bot, number, "/preview cancel", "confused").await;
    std::fs::write(gate.path().join("open"), "").unwrap();
    let pushed = bot.push(number, "feature", &[("more", Some("more"))]).await;
    bot.check_ended(number, &pushed, "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_why_is_told_the_decisions_in_words() {
    let bot = bot_with(&[("previewctl.yaml", &deploy_only("true"))], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    ordered(&bot, number, "/preview destroy", "rocket").await;
    ordered(&bot, number, "/preview why", "rocket").await;
    let body = reply_with(&bot, number, "The last decisions").await;
    for part in ["Alice said destroy", "Opened: pr-1 runs", "stays so until somebody says"] {
        assert!(body.contains(part), "{part}: {body}");
    }
    bot.github.set_permission(REPO, "rita", "read").unwrap();
    let denied = bot.say_as("rita", number, "/preview why").await;
    bot.reaction(number, denied, "-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_logs_where_there_are_none_is_told_why() {
    let bot = bot_with(&[("previewctl.yaml", &deploy_only("true"))], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    ordered(&bot, number, "/preview logs", "confused").await;
    reply_with(&bot, number, "runs no containers").await;
    bot.idle().await;
    assert!(bot.environment("pr-1").await.failure.is_none(), "a look is no failure of the preview");
}
