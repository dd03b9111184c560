//! The whole bot against the validating mock of GitHub: what it sends is what GitHub takes, and no more than needed.

use std::collections::BTreeMap;

use previewbot::domain::event::DeliveryId;
use previewbot::domain::job::JobState;
use previewbot::domain::ports::Assessments as _;
use serde_json::{Value, json};

use crate::support::bot::{eventually, get};
use crate::support::contract;
use crate::support::contract_bot::ContractBot;

const PAGE: &str = "web/index.html";

/// One request as a person reads it.
fn line(request: &Value) -> String {
    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    format!("{} {} -> {}", text("method"), text("path"), request["status"])
}

/// Fails when these requests are more than a deploy may cost.
fn assert_thrifty(what: &str, requests: &[Value]) {
    let list = requests.iter().map(line).collect::<Vec<_>>().join("\n");
    let creates = |request: &&Value| {
        let path = request["path"].as_str().unwrap_or_default();
        let made = ["/comments", "/check-runs", "/deployments"].iter().any(|end| path.ends_with(end));
        request["method"] == "POST" && made
    };
    let created = requests.iter().filter(creates).count();
    assert!(
        requests.len() <= 10 && created <= 3,
        "{what} took {} requests, {created} of which create:\n{list}",
        requests.len()
    );
}

async fn assert_one_of_each(bot: &ContractBot, number: u64, shas: &[&str]) {
    let comments = bot.comments(number).await;
    assert_eq!(comments.len(), 1, "one sticky comment: {comments:#?}");
    for sha in shas {
        let checks = bot.checks(sha).await;
        assert_eq!(checks.len(), 1, "one check per head: {checks:#?}");
        assert_eq!(checks[0]["status"], "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_thread_is_what_github_takes() {
    let Some(bot) = ContractBot::start().await else { return };
    let first = bot.head(1).await;
    bot.happened(1, "opened").await;
    bot.check_ended(&first, "success").await;
    bot.comment_with(1, "Preview ready").await;
    bot.idle().await;
    assert_thrifty("the first deploy", &bot.api_requests().await);

    let before = bot.api_requests().await.len();
    let second = bot.push(1, "feature-1", &[(PAGE, Some("<h1>Two</h1><!-- notes -->"))]).await;
    bot.check_ended(second.as_str(), "success").await;
    bot.idle().await;
    assert_thrifty("a push", &bot.api_requests().await[before..]);
    let url = bot.environments().await[0].urls[0].1.clone();
    assert!(get(&url).await.unwrap().1.contains("<h1>Two</h1>"));

    let before = bot.api_requests().await.len();
    bot.say(1, "alice", "/preview reset db").await;
    bot.reaction("eyes").await;
    bot.reaction("rocket").await;
    bot.idle().await;
    assert_thrifty("a reset", &bot.api_requests().await[before..]);

    bot.change(1, json!({ "state": "closed", "merged": true })).await;
    bot.happened(1, "closed").await;
    bot.comment_with(1, "destroyed").await;
    bot.idle().await;
    assert!(get(&url).await.is_none(), "the port is closed");
    assert_one_of_each(&bot, 1, &[&first, second.as_str()]).await;
    assert_eq!(bot.live_deployments().await, 0);
    bot.mock.assert_contract_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_refused_once_and_a_draft_is_deployed() {
    let Some(bot) = ContractBot::start().await else { return };
    let fork = bot.head(2).await;
    bot.happened(2, "opened").await;
    let draft = bot.head(3).await;
    bot.happened(3, "opened").await;
    bot.check_ended(&fork, "action_required").await;
    bot.check_ended(&draft, "success").await;
    bot.happened(2, "synchronize").await;
    bot.idle().await;
    assert_one_of_each(&bot, 2, &[&fork]).await;
    assert_one_of_each(&bot, 3, &[&draft]).await;
    for deployment in bot.state("deployments").await {
        assert_eq!(deployment["environment"], "preview/pr-3", "nothing of a fork is deployed");
    }
    let jobs = bot.jobs().await;
    assert!(jobs.iter().all(|job| job.environment.as_deref() != Some("pr-2")), "{jobs:#?}");
    bot.mock.assert_contract_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_the_right_is_told_once() {
    let Some(bot) = ContractBot::start().await else { return };
    let head = bot.head(1).await;
    bot.happened(1, "opened").await;
    bot.check_ended(&head, "success").await;
    bot.say(1, "carol", "/preview destroy").await;
    bot.reaction("-1").await;
    bot.say(1, "carol", "/preview destroy").await;
    bot.idle().await;
    let comments = bot.comments(1).await;
    assert_eq!(comments.len(), 2, "the sticky comment and one denial: {comments:#?}");
    assert!(comments[1].contains("carol"), "{}", comments[1]);
    bot.mock.assert_contract_kept().await;
}

/// The change is made, the answer is lost: it must not be made twice.
async fn lost_answer(path: &str, fault: Value) {
    let Some(bot) = ContractBot::start().await else { return };
    let mut fault = fault;
    fault["method"] = json!("POST");
    fault["path"] = json!(path);
    fault["when"] = json!("after");
    bot.mock.post("faults", fault).await;
    let head = bot.head(1).await;
    bot.happened(1, "opened").await;
    bot.check_ended(&head, "success").await;
    bot.comment_with(1, "Preview ready").await;
    bot.idle().await;
    let faults = bot.api_requests().await.into_iter().filter(|request| !request["fault"].is_null()).count();
    assert_eq!(faults, 1, "the fault was met");
    assert_one_of_each(&bot, 1, &[&head]).await;
    let deployments = bot.state("deployments").await;
    assert_eq!(deployments.len(), 1, "{deployments:#?}");
    assert_eq!(deployments[0]["statuses"].as_array().unwrap().last().unwrap()["state"], "success");
    bot.mock.assert_contract_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_whose_answer_is_lost_is_not_written_twice() {
    lost_answer("/issues/1/comments$", json!({ "kind": "500" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_whose_answer_is_lost_is_not_made_twice() {
    lost_answer("/check-runs$", json!({ "kind": "timeout", "seconds": 0.2 })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_whose_answer_is_lost_is_not_made_twice() {
    lost_answer("/deployments$", json!({ "kind": "reset" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_day_at_github_only_takes_longer() {
    let Some(bot) = ContractBot::start().await else { return };
    let faults = json!([
        { "kind": "500", "method": "GET", "path": "/pulls/1$" },
        { "kind": "timeout", "seconds": 0.2, "path": "/contents/" },
        { "kind": "401", "path": "/permission$" },
        { "kind": "secondary", "retry_after": 2, "method": "POST", "path": "/issues/1/comments$" },
        { "kind": "503", "method": "POST", "path": "/check-runs$" },
        { "kind": "502", "method": "POST", "path": "/statuses$" },
    ]);
    bot.mock.post("faults", faults).await;
    let head = bot.head(1).await;
    bot.happened(1, "opened").await;
    bot.check_ended(&head, "success").await;
    bot.comment_with(1, "Preview ready").await;
    bot.idle().await;
    let requests = bot.api_requests().await;
    let met = requests.iter().filter(|request| !request["fault"].is_null()).count();
    assert_eq!(met, 6, "{:#?}", requests.iter().map(line).collect::<Vec<_>>());
    assert_one_of_each(&bot, 1, &[&head]).await;
    assert_eq!(bot.live_deployments().await, 1);
    bot.mock.assert_contract_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_captured_payload_reaches_an_end() {
    let Some(bot) = ContractBot::start().await else { return };
    let folder = contract::folder().unwrap().join("github/payloads");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let table = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/webhooks/contract-answers.yaml");
    let table: BTreeMap<String, Value> = serde_yaml::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
    let mut stored = Vec::new();
    for file in files {
        let refused = table[&file].get("malformed").is_some();
        let (status, id) = bot.deliver(json!({ "file": file })).await;
        assert!(if refused { status == 400 } else { matches!(status, 200 | 202) }, "{file}: {status}");
        if !refused {
            stored.push((file, DeliveryId(id)));
        }
    }
    for (file, id) in stored {
        let ended = || async {
            let delivery = bot.bot.store().delivery(&id).await.unwrap().unwrap();
            delivery.outcome
        };
        let outcome = eventually(&format!("an outcome of {file}"), String::new, ended).await;
        assert!(!outcome.is_empty(), "{file}");
    }
    bot.idle().await;
    let inside = bot
        .jobs()
        .await
        .into_iter()
        .filter(|job| job.state == JobState::Failed && job.reason.contains("failed inside"));
    assert_eq!(inside.count(), 0);
    let healthy = get(&format!("http://{}/healthz", bot.bot.address())).await.unwrap();
    assert_eq!(healthy.0, 200);
    bot.mock.assert_contract_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_deploy_costs_little_more_than_a_short_one() {
    let Some(bot) = ContractBot::start().await else { return };
    let config = std::fs::read_to_string("fixtures/sample/previewctl.yaml").unwrap();
    let slow = config
        .replace("sh hooks/before.sh", "sleep 1; sh hooks/before.sh")
        .replace("sh hooks/database.sh seed", "sleep 1; sh hooks/database.sh seed")
        .replace("sh hooks/deploy.sh", "sleep 2; sh hooks/deploy.sh");
    bot.repository.commit("feature-1", &[("previewctl.yaml", Some(&slow))]);
    let head = bot.repository.commit("feature-1", &[(PAGE, Some("<h1>Slow</h1><!-- notes -->"))]);
    bot.change(1, json!({ "head": { "sha": head } })).await;
    bot.happened(1, "opened").await;
    bot.check_ended(head.as_str(), "success").await;
    bot.comment_with(1, "Preview ready").await;
    bot.idle().await;
    assert_thrifty("a deploy of twenty seconds", &bot.api_requests().await);
    bot.mock.assert_contract_kept().await;
}
