//! Changes that may not run, where there is no sandbox: nothing is fetched, nothing runs, and one explanation is given.

use previewbot::demo::fake_github::{NewPull, RepositorySpec};
use previewbot::domain::change::Sha;
use serde_json::json;

use super::tools::{bot_with, everything_in};
use crate::support::bot::{ALICE, REPO, TestBot, deploy_only, processes_with};

const FORK: &str = "mallory/shop";

async fn bot() -> TestBot {
    bot_with(&[("previewctl.yaml", &deploy_only("touch ran; sleep 600 &"))], json!({})).await
}

/// The bot with a fork of its repository, and a commit there.
async fn bot_with_fork() -> (TestBot, Sha, NewPull) {
    let bot = bot().await;
    let sha = bot.repository.commit("feature", &[("more", Some("more"))]);
    let fork = RepositorySpec::new(FORK, 6001).forked_from(5001);
    bot.github.add_repository(fork.with_git(&bot.repository.bare(REPO)));
    let mut new = NewPull::new("mallory", "feature");
    new.head_repository = Some(FORK.to_owned());
    (bot, sha, new)
}

/// Nothing of the change came to this machine or ran on it.
async fn nothing_ran(bot: &TestBot) {
    for environment in bot.environments().await {
        let life = environment.life.to_string();
        assert!(processes_with("PREVIEWCTL_ENVIRONMENT_ID", &life).is_empty());
        assert!(environment.published.is_none() && environment.entry.is_none());
    }
    for folder in ["mirrors", "control", "previews"] {
        let found = everything_in(&bot.data.path().join(folder));
        assert!(found.is_empty(), "{folder}: {found:?}");
    }
    let jobs = bot.jobs().await;
    assert!(jobs.iter().all(|job| !job.work.touches_environment()), "{jobs:?}");
}

/// The change is refused with one explanation that says `because`, a command does not help, and a close works.
async fn is_refused(bot: &TestBot, number: u64, sha: &Sha, because: &str) {
    bot.check_ended(number, sha, "action_required").await;
    let comment = bot.comment_with(number, because).await;
    bot.idle().await;
    assert_eq!(bot.github.bot_comments(REPO, number).len(), 1, "one explanation");
    nothing_ran(bot).await;

    let order = bot.say(number, "/preview deploy").await;
    bot.reaction(number, order, "confused").await;
    bot.idle().await;
    let comments = bot.github.bot_comments(REPO, number);
    assert_eq!(comments.len(), 2, "the explanation and the answer to the command");
    assert!(comments.iter().any(|c| c.id != comment.id && c.body.contains(because)), "{comments:?}");
    nothing_ran(bot).await;

    bot.github.people().close(REPO, number, ALICE).await.unwrap();
    bot.check_ended(number, sha, "neutral").await;
    bot.idle().await;
    assert_eq!(bot.github.bot_comments(REPO, number).len(), 2);
    assert!(bot.jobs().await.iter().all(|job| job.state.as_str() == "succeeded"));
    nothing_ran(bot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_from_a_fork_is_refused_with_one_explanation() {
    let (bot, sha, new) = bot_with_fork().await;
    let (number, _) = bot.github.people().open_pull(REPO, new).await.unwrap();
    is_refused(&bot, number, &sha, "comes from a fork").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_by_somebody_with_write_is_refused_too() {
    let (bot, sha, mut new) = bot_with_fork().await;
    new.author = ALICE.to_owned();
    let (number, _) = bot.github.people().open_pull(REPO, new).await.unwrap();
    is_refused(&bot, number, &sha, "comes from a fork").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_head_repository_was_deleted_is_refused() {
    let (bot, sha, new) = bot_with_fork().await;
    let (number, delivery) = bot.github.people_unheard().open_pull(REPO, new).await.unwrap();
    bot.github.delete_repository(FORK).unwrap();
    bot.github.deliver(&delivery.guid).await.unwrap();
    is_refused(&bot, number, &sha, "no longer exists").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_somebody_without_write_is_refused() {
    let bot = bot().await;
    bot.github.set_permission(REPO, "bob", "triage").unwrap();
    let sha = bot.repository.commit("feature", &[]);
    let (number, _) = bot.github.people().open_pull(REPO, NewPull::new("bob", "feature")).await.unwrap();
    is_refused(&bot, number, &sha, "has triage permission").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_a_bot_is_refused() {
    let bot = bot().await;
    bot.github.set_permission(REPO, "dependabot[bot]", "write").unwrap();
    let sha = bot.repository.commit("feature", &[]);
    let new = NewPull::new("dependabot[bot]", "feature");
    let (number, _) = bot.github.people().open_pull(REPO, new).await.unwrap();
    is_refused(&bot, number, &sha, "is a bot").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_nothing_runs_and_the_check_says_what_the_operator_must_do() {
    let config = deploy_only("touch ran");
    let bot = bot_with(&[("previewctl.yaml", &config)], json!({ "projects": [] })).await;
    let (number, sha) = bot.open("feature", &[]).await;
    let title = bot.check_ended(number, &sha, "action_required").await;
    assert!(title.contains("operator"), "{title}");
    let summary = super::tools::check_of(&bot, &sha).output["summary"].to_string();
    assert!(summary.contains("projects") && summary.contains("mode"), "{summary}");
    nothing_ran(&bot).await;
    let order = bot.say(number, "/preview deploy").await;
    bot.reaction(number, order, "confused").await;
    bot.idle().await;
    nothing_ran(&bot).await;
}
