//! Names that would do harm as a word of a shell or of git.

use previewbot::demo::fake_github::NewPull;

use super::tools::{everything_in, published};
use crate::support::bot::{ALICE, REPO, TestBot, deploy_only};

/// A whole life of a change with this branch and title; nothing that they say may happen.
async fn does_no_harm(branch: &str, ref_name: &str) {
    let bot = TestBot::with_config(&deploy_only("env > seen")).await;
    let sha = bot.repository.commit(ref_name, &[]);
    let mut new = NewPull::new(ALICE, branch);
    new.title = branch.to_owned();
    new.head_sha = Some(sha.to_string());
    let (number, _) = bot.github.people().open_pull(REPO, new).await.unwrap();
    published(&bot, "pr-1", &sha).await;
    bot.check_ended(number, &sha, "success").await;
    let head = bot.environment("pr-1").await.change.unwrap().head;
    assert_eq!(head.branch, branch, "the name is kept as it is");

    let second = bot.repository.commit(ref_name, &[("more", Some("more"))]);
    bot.github.people().push(REPO, number, Some(second.as_str())).await.unwrap();
    published(&bot, "pr-1", &second).await;
    let root = bot.compute_root("pr-1");
    assert!(root.join("more").exists() && root.join("seen").exists());
    bot.github.people().close(REPO, number, ALICE).await.unwrap();
    bot.comment_with(number, "Preview destroyed").await;

    let here = std::env::current_dir().unwrap();
    assert!(!here.join("pwned").exists());
    let everywhere = [everything_in(bot.data.path()), everything_in(&bot.repository.base())].concat();
    let found: Vec<_> = everywhere.iter().filter(|path| path.file_name().is_some_and(|n| n == "pwned")).collect();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(bot.github.bot_comments(REPO, number).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_a_command_substitution_runs_nothing() {
    does_no_harm("$(touch pwned)", "substitution").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_a_command_substitution_and_a_lawful_ref_runs_nothing() {
    does_no_harm("$(touch${IFS}pwned)", "$(touch${IFS}pwned)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_looks_like_an_option_of_git_is_none() {
    does_no_harm("--upload-pack=touch${IFS}pwned;", "--upload-pack=touch${IFS}pwned;").await;
}
