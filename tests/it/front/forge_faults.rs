//! GitHub answers 500, 403 with `retry-after`, 401 or nothing: nothing is lost, nothing is posted twice, and no
//! deploy waits for a comment.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use previewbot::demo::fake_github::{Fault, FaultKind};
use previewbot::domain::job::Work;

use super::tools::published;
use crate::support::bot::{REPO, TestBot, deploy_only};

/// What the bot creates on a change's page.
const CREATIONS: [&str; 3] =
    ["/repos/acme/shop/issues/*/comments", "/repos/acme/shop/check-runs", "/repos/acme/shop/deployments"];

async fn bot() -> TestBot {
    TestBot::with_config(&deploy_only("true")).await
}

/// In the end there is one comment, one check and one deployment, and one deploy made them.
async fn all_is_posted_once(bot: &TestBot) {
    let (number, sha) = bot.open("feature", &[]).await;
    published(bot, "pr-1", &sha).await;
    bot.check_ended(number, &sha, "success").await;
    bot.comment_with(number, "Preview ready").await;
    let live = || async {
        let all = bot.github.deployments(REPO, "preview/pr-1");
        all.iter().any(|deployment| deployment.state() == "success").then_some(())
    };
    crate::support::bot::eventually("a deployment that succeeded", String::new, live).await;
    assert_eq!(bot.github.bot_comments(REPO, number).len(), 1);
    assert_eq!(bot.github.checks(REPO, sha.as_str()).len(), 1);
    assert_eq!(bot.github.deployments(REPO, "preview/pr-1").len(), 1);
    let deploys = bot.jobs().await.into_iter().filter(|job| matches!(job.work, Work::Deploy { .. }));
    let attempts: Vec<_> = deploys.map(|job| job.attempt).collect();
    assert_eq!(attempts, [1], "one deploy, tried once");
}

/// The same with this fault at one request, which must have met it.
async fn in_spite_of(fault: Fault, (method, path): (&str, &str)) {
    let bot = bot().await;
    bot.github.inject(fault.on(method, path));
    all_is_posted_once(&bot).await;
    let spoiled = |status: u16| status == 0 || status >= 400;
    assert!(bot.github.requests().iter().any(|request| spoiled(request.status)), "the fault was met");
}

async fn at_every_creation(fault: impl Fn() -> Fault) {
    join_all(CREATIONS.map(|path| in_spite_of(fault(), ("POST", path)))).await;
}

/// Requests that read the change and what belongs to it.
async fn at_every_reading(fault: impl Fn() -> Fault) {
    let paths = ["/repos/acme/shop/pulls/1", "/repos/acme/shop/collaborators/*", "/repos/acme/shop/contents/*"];
    join_all(paths.map(|path| in_spite_of(fault(), ("GET", path)))).await;
}

fn wait_a_second() -> Fault {
    Fault::status(403).header("retry-after", "1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_at_a_creation_is_made_good() {
    at_every_creation(|| Fault::status(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_with_retry_after_at_a_creation_is_made_good() {
    at_every_creation(wait_a_second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_at_a_creation_is_made_good() {
    at_every_creation(|| Fault::status(401)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_at_a_creation_is_made_good() {
    at_every_creation(|| Fault::new(FaultKind::Drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_after_the_creation_makes_no_second_one() {
    at_every_creation(|| Fault::new(FaultKind::Drop).after_acting()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_after_the_creation_makes_no_second_one() {
    at_every_creation(|| Fault::status(500).after_acting()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_at_reading_the_change_loses_nothing() {
    at_every_reading(|| Fault::status(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_at_reading_the_change_loses_nothing() {
    at_every_reading(|| Fault::status(401)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_401s_in_a_row_at_reading_the_change_lose_nothing() {
    in_spite_of(Fault::status(401).times(3), ("GET", "/repos/acme/shop/pulls/1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_at_reading_the_change_loses_nothing() {
    at_every_reading(|| Fault::new(FaultKind::Drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_cannot_be_had_or_were_taken_back_lose_nothing() {
    in_spite_of(Fault::status(500), ("POST", "/app/installations/*/access_tokens")).await;
    let bot = bot().await;
    let (number, first) = bot.open("feature", &[]).await;
    bot.check_ended(number, &first, "success").await;
    bot.github.revoke_tokens();
    let second = bot.push(number, "feature", &[]).await;
    bot.check_ended(number, &second, "success").await;
    assert_eq!(bot.github.bot_comments(REPO, number).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_waits_as_long_as_retry_after_says() {
    let bot = bot().await;
    let fault = Fault::status(403).header("retry-after", "4");
    bot.github.inject(fault.on("GET", "/repos/acme/shop/pulls/1"));
    let began = Instant::now();
    let (_, sha) = bot.open("feature", &[]).await;
    published(&bot, "pr-1", &sha).await;
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    let asked = bot.github.requests();
    let at = asked.iter().position(|request| request.status == 403).unwrap();
    assert_eq!(asked[at + 1].path, "/repos/acme/shop/pulls/1", "nothing else was asked meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_never_answers_a_report_holds_no_deploy_up() {
    let bot = bot().await;
    for path in CREATIONS {
        bot.github.inject(Fault::new(FaultKind::Hang).on("POST", path).times(50));
    }
    let began = Instant::now();
    let (number, first) = bot.open("feature", &[]).await;
    published(&bot, "pr-1", &first).await;
    let second = bot.push(number, "feature", &[]).await;
    published(&bot, "pr-1", &second).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(bot.github.bot_comments(REPO, number).is_empty());
}
