//! The `preview:` block and the settings that overrule it, from the webhook to what the change shows.

use previewbot::domain::ports::Clock as _;
use previewbot::outbound::clock::SystemClock;
use serde_json::{Value, json};

use super::tools::{bot_with, check_of, published};
use crate::support::bot::{ALICE, REPO, TestBot, deploy_only};

/// A repository whose policy is this YAML, indented by two.
async fn with_policy(policy: &str, settings: Value) -> TestBot {
    let config = format!("{}preview:\n{policy}", deploy_only("true"));
    bot_with(&[("previewctl.yaml", &config), ("apps/page", "one\n")], settings).await
}

/// Settings of the repository's project.
fn project(preview: &Value) -> Value {
    json!({ "projects": [{ "repository": format!("github:{REPO}"), "mode": "local", "preview": preview }] })
}

fn asked_for_files(bot: &TestBot) -> usize {
    bot.github.requests().iter().filter(|request| request.path.contains("/files")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_previewed_when_it_touches_files_that_matter() {
    let bot = with_policy("  paths: [\"apps/**\", \"!**/*.md\"]\n", json!({})).await;
    let (number, sha) =
        bot.open("feature", &[("README.md", Some("read me")), ("apps/help.md", Some("help"))]).await;
    bot.check_ended(number, &sha, "skipped").await;
    let check = check_of(&bot, &sha);
    assert!(check.title().contains("touches none of the files that preview.paths names"), "{}", check.title());
    bot.idle().await;
    assert!(bot.github.bot_comments(REPO, number).is_empty(), "nothing is said of what gets no preview");
    // The change's own policy is not the one that rules it.
    let policy = format!("{}preview:\n  paths: [\"**\"]\n", deploy_only("true"));
    let sha = bot.push(number, "feature", &[("previewctl.yaml", Some(&policy))]).await;
    bot.check_ended(number, &sha, "skipped").await;
    let sha = bot.push(number, "feature", &[("apps/page", None), ("apps/moved", Some("one\n"))]).await;
    bot.check_ended(number, &sha, "success").await;
    published(&bot, "pr-1", &sha).await;
    // A close is never filtered, and asks for nothing.
    let asked = asked_for_files(&bot);
    assert!(asked > 0);
    bot.github.people().close(REPO, number, ALICE).await.unwrap();
    bot.check_ended(number, &sha, "neutral").await;
    bot.idle().await;
    assert!(bot.environment("pr-1").await.entry.is_none());
    assert_eq!(asked_for_files(&bot), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_overrule_the_repository() {
    let preview = json!({ "trigger": "label", "label": "try-me", "ttl": "3d", "comment": "off" });
    let bot = with_policy("  trigger: auto\n  ttl: 1h\n  comment: always\n", project(&preview)).await;
    let (number, sha) = bot.open("feature", &[("more", Some("more"))]).await;
    bot.check_ended(number, &sha, "skipped").await;
    bot.github.people().label(REPO, number, "try-me", true).await.unwrap();
    bot.check_ended(number, &sha, "success").await;
    let left = bot.environment("pr-1").await.expires_at.unwrap() - SystemClock.now_ms();
    let days = f64::from(i32::try_from(left / 1000).unwrap()) / 86_400.0;
    assert!((2.9..=3.0).contains(&days), "{days} days");
    bot.github.people().label(REPO, number, "try-me", false).await.unwrap();
    bot.check_ended(number, &sha, "neutral").await;
    bot.idle().await;
    assert!(bot.environment("pr-1").await.entry.is_none());
    assert!(bot.github.bot_comments(REPO, number).is_empty(), "nobody wants comments");
    assert_eq!(asked_for_files(&bot), 0, "where no paths are named nobody asks for files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_waits_until_something_was_deployed_where_that_is_wanted() {
    let bot = with_policy("  comment: on_change\n  drafts: skip\n", json!({})).await;
    let (number, sha) = bot.open("feature", &[("more", Some("more"))]).await;
    bot.check_ended(number, &sha, "success").await;
    bot.comment_with(number, "Preview ready").await;
    // One that is there is kept true.
    bot.github.people().set_draft(REPO, number, true).await.unwrap();
    bot.comment_with(number, "The change is a draft").await;
    bot.idle().await;
    assert_eq!(bot.github.bot_comments(REPO, number).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_above_the_limit_waits_and_says_so_until_another_one_goes() {
    let limits = json!({ "limits": { "environments_per_project": 1 } });
    let bot = with_policy("  drafts: deploy\n", limits).await;
    let (first, sha) = bot.open("one", &[("more", Some("one"))]).await;
    bot.check_ended(first, &sha, "success").await;
    let (second, waiting) = bot.open("two", &[("more", Some("two"))]).await;
    let comment = bot.comment_with(second, "limits.environments").await;
    assert!(comment.body.contains("Preview queued (1 of 1)"), "{}", comment.body);
    let (third, _) = bot.open("three", &[("more", Some("three"))]).await;
    bot.comment_with(third, "Preview queued (2 of 2)").await;
    let nothing = bot.environment("pr-2").await;
    assert!(nothing.entry.is_none() && nothing.host.is_none());
    bot.github.people().close(REPO, first, ALICE).await.unwrap();
    bot.check_ended(second, &waiting, "success").await;
    assert!(bot.environment("pr-3").await.host.is_none(), "one place, one preview");
    // Who waits no more takes no place in the line.
    bot.github.people().close(REPO, third, ALICE).await.unwrap();
    bot.github.people().close(REPO, second, ALICE).await.unwrap();
    bot.idle().await;
    assert!(bot.environments().await.iter().all(|environment| environment.host.is_none()));
}
