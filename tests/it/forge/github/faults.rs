//! GitHub on a bad day: each fault has its kind, nothing is repeated unasked, and limits are kept.

use std::time::Duration;

use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::Forge as _;
use serde_json::json;

use super::{ONE, Scene, demo, repository};

const PULL: &str = "/repos/octo-org/demo/pulls/1";

#[tokio::test]
async fn every_fault_has_its_kind_and_is_not_repeated() {
    let Some(scene) = Scene::new().await else { return };
    scene.forge.change(&demo(), ONE).await.unwrap();
    let table = [
        (json!({ "kind": "500" }), ErrorKind::Unavailable),
        (json!({ "kind": "502" }), ErrorKind::Unavailable),
        (json!({ "kind": "503" }), ErrorKind::Unavailable),
        (json!({ "kind": "forbidden" }), ErrorKind::Denied),
        (json!({ "kind": "truncated" }), ErrorKind::Unavailable),
        (json!({ "kind": "timeout", "seconds": 0.2 }), ErrorKind::Unavailable),
    ];
    for (fault, wanted) in table {
        let before = scene.count("GET", PULL).await;
        let kind = fault["kind"].clone();
        scene.mock.post("faults", fault).await;
        let error = scene.forge.change(&demo(), ONE).await.unwrap_err();
        assert_eq!(error.kind(), wanted, "{kind}: {}", error.chain());
        assert_eq!(scene.count("GET", PULL).await, before + 1, "{kind}");
        assert!(scene.forge.change(&demo(), ONE).await.unwrap().is_some(), "{kind} is over");
    }
    scene.mock.post("faults", json!({ "kind": "404" })).await;
    assert_eq!(scene.forge.change(&demo(), ONE).await.unwrap(), None);
    scene.mock.post("faults", json!({ "kind": "slow", "seconds": 0.2 })).await;
    assert!(scene.forge.change(&demo(), ONE).await.unwrap().is_some());
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_twice() {
    let Some(scene) = Scene::new().await else { return };
    scene.forge.change(&demo(), ONE).await.unwrap();
    for kind in ["reset", "truncated", "500"] {
        scene.mock.post("faults", json!({ "kind": kind, "method": "POST", "when": "after" })).await;
        let body = format!("<!-- {kind} -->");
        let error = scene.forge.create_comment(&demo(), ONE, &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{kind}: {}", error.chain());
        assert!(scene.forge.find_comment(&demo(), ONE, &body).await.unwrap().is_some(), "{kind}: found again");
    }
    assert_eq!(scene.count("POST", "/issues/1/comments").await, 3);
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let Some(scene) = Scene::new().await else { return };
    scene.forge.change(&demo(), ONE).await.unwrap();
    scene.mock.post("faults", json!({ "kind": "401", "path": "/pulls/" })).await;
    assert!(scene.forge.change(&demo(), ONE).await.unwrap().is_some());
    assert_eq!(scene.count("POST", "/access_tokens").await, 2);
    scene.mock.post("faults", json!({ "kind": "401", "path": "/pulls/", "count": 2 })).await;
    let refused = scene.forge.change(&demo(), ONE).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    assert!(refused.to_string().contains("check github.app_id"), "{refused}");
    // An hour later the token has expired on GitHub's side whatever our clock says.
    scene.forge.change(&demo(), ONE).await.unwrap();
    scene.mock.post("clock", json!({ "advance_s": 3700 })).await;
    assert!(scene.forge.change(&demo(), ONE).await.unwrap().is_some());
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn after_a_limit_nothing_is_sent_until_it_is_over() {
    for (kind, seconds) in [("429", 7), ("secondary", 60), ("primary", 90)] {
        let Some(scene) = Scene::new().await else { return };
        scene.forge.change(&demo(), ONE).await.unwrap();
        scene.mock.post("faults", json!({ "kind": kind, "retry_after": seconds })).await;
        let error = scene.forge.change(&demo(), ONE).await.unwrap_err();
        let ErrorKind::RateLimited(wait) = error.kind() else { panic!("{kind}: {}", error.chain()) };
        // The mock's clock runs, ours stands: the time until a reset differs by what the test took.
        let late = Duration::from_secs(seconds + 30);
        assert!((Duration::from_secs(seconds)..=late).contains(&wait), "{kind}: {wait:?}");
        let sent = scene.mock.requests().await.len();
        scene.clock.advance(wait.checked_sub(Duration::from_millis(1)).unwrap());
        let held = scene.forge.create_comment(&demo(), ONE, "held back").await.unwrap_err();
        assert_eq!(held.kind(), ErrorKind::RateLimited(Duration::from_millis(1)), "{kind}");
        assert_eq!(scene.mock.requests().await.len(), sent, "{kind}: nothing may leave");
        scene.clock.advance(Duration::from_millis(1));
        assert!(scene.forge.change(&demo(), ONE).await.unwrap().is_some(), "{kind} is over");
        scene.mock.assert_contract_kept().await;
    }
}

#[tokio::test]
async fn a_failing_token_request_is_told_apart() {
    let Some(scene) = Scene::new().await else { return };
    let table = [
        ("500", ErrorKind::Unavailable),
        ("reset", ErrorKind::Unavailable),
        ("truncated", ErrorKind::Unavailable),
        ("401", ErrorKind::Denied),
        ("404", ErrorKind::Unavailable),
    ];
    for (kind, wanted) in table {
        scene.mock.post("faults", json!({ "kind": kind, "path": "access_tokens" })).await;
        let error = scene.forge.change(&demo(), ONE).await.unwrap_err();
        assert_eq!(error.kind(), wanted, "{kind}: {}", error.chain());
    }
    // After the 404 the installation is looked up anew.
    assert!(scene.forge.change(&demo(), ONE).await.unwrap().is_some());
    let suspended = repository("octo-org/demo", 5001, Some(957_388));
    let refused = scene.forge.git_token(&suspended).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied, "{}", refused.chain());
    let refused = scene.forge.change(&suspended, ONE).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied, "{}", refused.chain());
    assert!(refused.to_string().contains("suspended"), "{refused}");
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let Some(scene) = Scene::new().await else { return };
    let locked = repository("octo-org/locked-down", 5003, Some(957_389));
    let refused = scene.forge.create_comment(&locked, ONE, "text").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    assert!(refused.to_string().contains("pull_requests: write"), "{refused}");
    let other = repository("octo-org/private-api", 5002, Some(957_389));
    assert_eq!(scene.forge.change(&other, ONE).await.unwrap(), None, "out of the installation's sight");
    scene.mock.assert_contract_kept().await;
}
