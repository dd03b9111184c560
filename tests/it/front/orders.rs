//! Commands in comments, and the button of a check.

use previewbot::domain::job::Work;
use serde_json::json;

use super::tools::{bot_with, check_of, published};
use crate::support::bot::{ALICE, REPO, TestBot, deploy_only, eventually};

/// Two services with data that can be reset.
const TWO_SERVICES: &str = "version: 1\nname: shop\nprovisioner:\n  services:\n    \
    cache: {outputs: [A], seed: echo A=1, reset: echo A=1}\n    queue: {outputs: [B], seed: echo B=1, reset: echo B=1}\nrunner:\n  deploy: 'true'\n";

async fn ready() -> (TestBot, u64) {
    let bot = TestBot::with_config(&deploy_only("true")).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    (bot, number)
}

/// The bot's comments but the sticky one.
fn replies(bot: &TestBot, number: u64) -> Vec<String> {
    let all = bot.github.bot_comments(REPO, number).into_iter().map(|comment| comment.body);
    all.filter(|body| body.contains("previewbot:reply:")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_answered_and_status_points_at_the_sticky_comment() {
    let (bot, number) = ready().await;
    let help = bot.say(number, "/preview help").await;
    bot.reaction(number, help, "rocket").await;
    bot.idle().await;
    let said = replies(&bot, number);
    assert_eq!(said.len(), 1);
    for verb in ["help", "status", "deploy", "reset", "destroy"] {
        assert!(said[0].contains(&format!("/preview {verb}")), "{verb}: {}", said[0]);
    }
    let status = bot.say(number, "/preview status").await;
    bot.reaction(number, status, "rocket").await;
    bot.idle().await;
    assert_eq!(bot.github.comments(REPO, number).len(), 4 + usize::from(replies(&bot, number).len() > 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_verb_is_answered_with_the_nearest_one_and_does_nothing() {
    let (bot, number) = ready().await;
    let before = bot.jobs().await.iter().filter(|job| job.work.touches_environment()).count();
    let order = bot.say(number, "/preview destory").await;
    bot.reaction(number, order, "confused").await;
    bot.idle().await;
    let said = replies(&bot, number);
    assert!(said.len() == 1 && said[0].contains("destory") && said[0].contains("`destroy`"), "{said:?}");
    assert!(said[0].contains("/preview help"), "{said:?}");
    let after = bot.jobs().await.iter().filter(|job| job.work.touches_environment()).count();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_denied_with_one_reply_however_often_they_try() {
    let (bot, number) = ready().await;
    bot.github.set_permission(REPO, "rita", "read").unwrap();
    for text in ["/preview destroy", "/preview deploy", "/preview reset db"] {
        let order = bot.say_as("rita", number, text).await;
        bot.reaction(number, order, "-1").await;
        bot.idle().await;
    }
    let said = replies(&bot, number);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("rita") && said[0].contains("write permission"), "{said:?}");
    let touching = bot.jobs().await.into_iter().filter(|job| job.work.touches_environment()).count();
    assert_eq!(touching, 1, "only the first deploy");
    assert!(bot.environment("pr-1").await.published.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_sticks_through_a_push_until_somebody_says_deploy() {
    let (bot, number) = ready().await;
    let order = bot.say(number, "/preview destroy").await;
    bot.reaction(number, order, "rocket").await;
    bot.comment_with(number, "Preview destroyed").await;
    let root = bot.compute_root("pr-1");
    assert!(!root.exists());
    let pushed = bot.push(number, "feature", &[("more", Some("more"))]).await;
    bot.idle().await;
    assert!(bot.environment("pr-1").await.entry.is_none(), "a push does not bring it back");
    assert!(!bot.compute_root("pr-1").exists());
    let order = bot.say(number, "/preview deploy").await;
    bot.reaction(number, order, "rocket").await;
    published(&bot, "pr-1", &pushed).await;
    bot.check_ended(number, &pushed, "success").await;
    assert_eq!(bot.github.checks(REPO, pushed.as_str()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_names_no_service_or_a_wrong_one_lists_those_that_there_are() {
    let bot = bot_with(&[("previewctl.yaml", TWO_SERVICES)], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    published(&bot, "pr-1", &sha).await;
    for (index, text) in ["/preview reset", "/preview reset dbx"].into_iter().enumerate() {
        let order = bot.say(number, text).await;
        bot.reaction(number, order, "confused").await;
        bot.idle().await;
        let said = replies(&bot, number);
        assert_eq!(said.len(), index + 1);
        assert!(said[index].contains("`cache`") && said[index].contains("`queue`"), "{}", said[index]);
    }
    let order = bot.say(number, "/preview reset queue").await;
    bot.reaction(number, order, "rocket").await;
    let resets = bot.jobs().await.into_iter().filter(|job| matches!(job.work, Work::Reset { .. })).count();
    assert_eq!(resets, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_code_edited_comments_and_bots_give_no_orders() {
    let (bot, number) = ready().await;
    bot.idle().await;
    let before = bot.jobs().await.iter().filter(|job| job.work.touches_environment()).count();
    let mut comments = Vec::new();
    for text in [
        "> /preview destroy",
        "```\n/preview destroy\n```",
        "    /preview destroy",
        "<!--\n/preview destroy\n-->",
        "I would say /preview destroy",
    ] {
        comments.push(bot.say(number, text).await);
    }
    let (edited, _) = bot.github.people_unheard().comment(REPO, number, ALICE, "hello").await.unwrap();
    bot.github.people().edit_comment(REPO, edited, "/preview destroy").await.unwrap();
    bot.github.set_permission(REPO, "robot[bot]", "write").unwrap();
    comments.extend([edited, bot.say_as("robot[bot]", number, "/preview destroy").await]);
    let own = bot.github.bot_login();
    comments.push(bot.say_as(&own, number, "/preview destroy").await);
    bot.idle().await;
    let after = bot.jobs().await.iter().filter(|job| job.work.touches_environment()).count();
    assert_eq!(before, after);
    for id in comments {
        let comment = bot.github.find_comment(REPO, id).unwrap();
        assert!(comment.reactions.is_empty(), "{comment:?}");
    }
    assert!(replies(&bot, number).is_empty());
    assert!(bot.environment("pr-1").await.published.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn rerunning_the_check_deploys_again_and_keeps_the_one_check() {
    let bot = TestBot::with_config(&deploy_only("exit 3")).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "failure").await;
    let check = check_of(&bot, &sha);
    bot.github.people().rerequest_check(REPO, check.id, ALICE).await.unwrap();
    bot.idle().await;
    let deploys = bot.jobs().await.into_iter().filter(|job| matches!(job.work, Work::Deploy { .. })).count();
    assert_eq!(deploys, 2);
    let looking = || async { (check_of(&bot, &sha).conclusion.as_deref() == Some("failure")).then_some(()) };
    eventually("the check's second end", String::new, looking).await;
    assert_eq!(bot.github.checks(REPO, sha.as_str()).len(), 1);
}
