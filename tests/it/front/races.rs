//! Pushes that overtake a deploy, changes side by side, and the order within one change.

use std::path::Path;
use std::time::{Duration, Instant};

use previewbot::domain::job::{JobState, Work};
use serde_json::json;
use tempfile::TempDir;

use super::tools::{bot_with, file_there, published};
use crate::support::bot::{REPO, TestBot, deploy_only, eventually};

/// A bot whose deploy hook is the change's own `deploy.sh`, and a folder that hooks may leave traces in.
async fn bot_with_script(script: impl Fn(&Path) -> String) -> (TestBot, TempDir) {
    let traces = tempfile::tempdir().unwrap();
    let script = script(traces.path());
    let files = [("previewctl.yaml", deploy_only("sh deploy.sh")), ("deploy.sh", script)];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    (bot_with(&files, json!({})).await, traces)
}

fn is_alive(pid: &str) -> bool {
    // A dead process that nobody waited for has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_ends_the_running_deploy_with_all_its_processes_within_two_seconds() {
    let (bot, traces) = bot_with_script(|traces| {
        let path = traces.display();
        format!(
            "sleep 600 & echo $! > {path}/child.new; mv {path}/child.new {path}/child; trap '' TERM; wait; wait"
        )
    })
    .await;
    let (number, first) = bot.open("feature", &[]).await;
    file_there(&traces.path().join("child")).await;
    let child = std::fs::read_to_string(traces.path().join("child")).unwrap().trim().to_owned();
    assert!(is_alive(&child));
    let in_progress = || async {
        let checks = bot.github.checks(REPO, first.as_str());
        checks.into_iter().find(|check| check.status == "in_progress").map(drop)
    };
    eventually("a check in progress", String::new, in_progress).await;

    let pushed_at = Instant::now();
    let second = bot.push(number, "feature", &[("deploy.sh", Some("true"))]).await;
    let gone = || async { (!is_alive(&child)).then_some(()) };
    eventually("the end of the first deploy", String::new, gone).await;
    // Two seconds of grace, and time for a busy machine to assess the push.
    assert!(pushed_at.elapsed() < Duration::from_secs(8), "{:?}", pushed_at.elapsed());
    published(&bot, "pr-1", &second).await;
    bot.check_ended(number, &second, "success").await;
    bot.check_ended(number, &first, "cancelled").await;
    bot.idle().await;
    let jobs = bot.jobs().await;
    let states: Vec<_> =
        jobs.iter().filter(|job| matches!(job.work, Work::Deploy { .. })).map(|job| job.state).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&JobState::Succeeded) && !states.contains(&JobState::Failed), "{states:?}");
    assert_eq!(bot.environment("pr-1").await.published, Some(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_pushes_in_quick_succession_only_the_last_is_deployed_to_its_end() {
    let (bot, traces) =
        bot_with_script(|traces| format!("sleep 2; echo \"$PREVIEWCTL_COMMIT\" >> {}/ended", traces.display()))
            .await;
    let (number, _) = bot.open("feature", &[]).await;
    let mut last = None;
    for text in ["one", "two", "three"] {
        last = Some(bot.push(number, "feature", &[("more", Some(text))]).await);
    }
    let last = last.unwrap();
    published(&bot, "pr-1", &last).await;
    bot.check_ended(number, &last, "success").await;
    bot.idle().await;
    let ended = std::fs::read_to_string(traces.path().join("ended")).unwrap();
    let ended: Vec<_> = ended.lines().collect();
    assert!(ended.len() <= 2 && ended.last() == Some(&last.as_str()), "{ended:?}");
    assert!(bot.environment("pr-1").await.published == Some(last));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_are_deployed_at_the_same_time() {
    let (bot, _traces) = bot_with_script(|traces| {
        let path = traces.display();
        // Each waits for the other to have begun; one after the other would wait for ever.
        format!(
            "touch {path}/$PREVIEWCTL_ENV_NAME\n\
             until [ -e {path}/pr-1 ] && [ -e {path}/pr-2 ]; do sleep 0.05; done\n"
        )
    })
    .await;
    let (_, one) = bot.open("one", &[]).await;
    let (_, two) = bot.open("two", &[]).await;
    published(&bot, "pr-1", &one).await;
    published(&bot, "pr-2", &two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ordered_for_one_preview_is_done_in_order_and_never_at_the_same_time() {
    let traces = tempfile::tempdir().unwrap();
    let log = traces.path().join("log");
    let hook = |name: &str| {
        json!(format!("echo begin {name} >> {0}; sleep 0.3; echo end {name} >> {0}; echo A=2", log.display()))
    };
    let config = format!(
        "version: 1\nname: shop\nprovisioner:\n  services:\n    a: {{outputs: [A], seed: echo A=1, reset: {}}}\n    \
         b: {{outputs: [A], seed: echo A=1, reset: {}}}\nrunner:\n  deploy: {}\n",
        hook("a"),
        hook("b"),
        hook("deploy"),
    );
    let bot = bot_with(&[("previewctl.yaml", &config)], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    published(&bot, "pr-1", &sha).await;
    let order = "/preview reset a\n/preview reset b\n/preview deploy --no-cache\n/preview reset a";
    bot.say(number, order).await;
    bot.idle().await;
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    for pair in lines.chunks(2) {
        assert_eq!(pair[0].strip_prefix("begin "), pair[1].strip_prefix("end "), "{log}");
    }
    let began: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("begin ")).collect();
    // A reset runs the runner anew, and the second deploy is one of its own.
    assert_eq!(began, ["deploy", "a", "deploy", "b", "deploy", "deploy", "a", "deploy"], "{log}");
}
