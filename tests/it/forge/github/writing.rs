//! What is written: comments, reactions, checks, deployments.

use previewbot::domain::environment::{Annotation, AnnotationLevel};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::job::Reaction;
use previewbot::domain::ports::{
    CheckConclusion, CheckState, DeploymentState, Forge as _, NewCheck, NewDeployment,
};
use serde_json::json;

use super::{ONE, Scene, demo, head};

#[tokio::test]
async fn comments_are_read_written_and_found_on_every_page() {
    let Some(scene) = Scene::new().await else { return };
    let forge = &scene.forge;
    let theirs = forge.comment(&demo(), 708_101).await.unwrap().unwrap();
    assert_eq!((theirs.author.login.as_str(), theirs.body.as_str()), ("alice", "/preview up"));
    assert_eq!((theirs.ours, theirs.edited, theirs.change), (false, false, Some(ONE)));
    assert_eq!(forge.comment(&demo(), 1).await.unwrap(), None);
    assert_eq!(forge.find_comment(&demo(), ONE, "/preview up").await.unwrap(), None, "a stranger's is not ours");
    for number in 0..104 {
        forge.create_comment(&demo(), ONE, &format!("talk {number}")).await.unwrap();
    }
    let id = forge.create_comment(&demo(), ONE, "<!-- marker --> first").await.unwrap();
    let found = forge.find_comment(&demo(), ONE, "<!-- marker -->").await.unwrap().unwrap();
    assert_eq!((found.id, found.ours), (id, true));
    scene.mock.post("clock", json!({ "advance_s": 5 })).await;
    forge.update_comment(&demo(), ONE, id, "<!-- marker --> second").await.unwrap();
    let edited = forge.comment(&demo(), id).await.unwrap().unwrap();
    assert_eq!((edited.body.as_str(), edited.edited), ("<!-- marker --> second", true));
    forge.update_comment(&demo(), ONE, id, &"é".repeat(70_000)).await.unwrap();
    let missing = forge.update_comment(&demo(), ONE, 2, "text").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let empty = forge.create_comment(&demo(), ONE, "").await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Invalid);
    assert!(empty.to_string().contains("Body cannot be blank"), "{empty}");
    assert_eq!(scene.count("POST", &format!("/issues/comments/{id}")).await, 0, "edits are sent with PATCH");
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn reactions_are_put_once() {
    let Some(scene) = Scene::new().await else { return };
    for reaction in [Reaction::Eyes, Reaction::Eyes, Reaction::Rocket, Reaction::Confused, Reaction::ThumbsDown] {
        scene.forge.react(&demo(), ONE, 708_101, reaction).await.unwrap();
    }
    let reactions = scene.state("reactions").await;
    let mut put: Vec<_> = reactions.iter().map(|reaction| reaction["content"].as_str().unwrap()).collect();
    put.sort_unstable();
    assert_eq!(put, ["-1", "confused", "eyes", "rocket"]);
    scene.mock.assert_contract_kept().await;
}

fn check(state: CheckState) -> NewCheck {
    NewCheck {
        name: "preview".to_owned(),
        sha: head(),
        external_id: "env-1/gen-2".to_owned(),
        state,
        details_url: Some("https://previews.example.com/e/1".to_owned()),
        title: "deploying".to_owned(),
        summary: "step 3 of 9".to_owned(),
        text: None,
        annotations: Vec::new(),
    }
}

#[tokio::test]
async fn a_check_goes_from_queued_to_its_end() {
    let Some(scene) = Scene::new().await else { return };
    let forge = &scene.forge;
    let find = || forge_find(&scene);
    assert_eq!(find().await, None);
    let id = forge.create_check(&demo(), &check(CheckState::Queued)).await.unwrap();
    assert_eq!(find().await, Some(id));
    forge.update_check(&demo(), id, &check(CheckState::InProgress)).await.unwrap();
    let mut failed = check(CheckState::Completed(CheckConclusion::Failure));
    failed.text = Some("x".repeat(70_000));
    let path = "previewctl.yaml".to_owned();
    failed.annotations = vec![Annotation {
        path,
        line: 3,
        column: None,
        level: AnnotationLevel::Failure,
        message: "unknown key".to_owned(),
    }];
    forge.update_check(&demo(), id, &failed).await.unwrap();
    forge.update_check(&demo(), id, &failed).await.unwrap();
    let run = &scene.state("check_runs").await[0];
    assert_eq!((run["status"].as_str(), run["conclusion"].as_str()), (Some("completed"), Some("failure")));
    assert_eq!(run["annotations"].as_array().unwrap().len(), 1, "annotations add up, so they are sent once");
    let conclusions = [
        CheckConclusion::Success,
        CheckConclusion::Cancelled,
        CheckConclusion::TimedOut,
        CheckConclusion::Neutral,
        CheckConclusion::Skipped,
        CheckConclusion::ActionRequired,
    ];
    for conclusion in conclusions {
        forge.create_check(&demo(), &check(CheckState::Completed(conclusion))).await.unwrap();
    }
    assert_eq!(scene.state("check_runs").await.len(), 7);
    assert_ne!(find().await, Some(id), "the newest of several is found");
    let mut nowhere = check(CheckState::Queued);
    nowhere.sha = "b".repeat(40).parse().unwrap();
    let refused = forge.create_check(&demo(), &nowhere).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("No commit found"), "{refused}");
    scene.mock.assert_contract_kept().await;
}

async fn forge_find(scene: &Scene) -> Option<u64> {
    let found = scene.forge.find_check(&demo(), &head(), "preview", "env-1/gen-2").await.unwrap()?;
    assert_eq!(found.external_id, "env-1/gen-2");
    Some(found.id)
}

fn deployment(marker: &str) -> NewDeployment {
    NewDeployment {
        sha: head(),
        environment: "preview/pr-1".to_owned(),
        description: "d".repeat(200),
        marker: marker.to_owned(),
    }
}

#[tokio::test]
async fn deployments_are_made_set_listed_and_removed() {
    let Some(scene) = Scene::new().await else { return };
    let forge = &scene.forge;
    // A failed check on the commit must not stop a preview from being announced.
    forge.create_check(&demo(), &check(CheckState::Completed(CheckConclusion::Failure))).await.unwrap();
    let first = forge.create_deployment(&demo(), &deployment("m1")).await.unwrap();
    let log = Some("https://previews.example.com/log");
    forge.set_deployment(&demo(), first, DeploymentState::InProgress, None, log, "deploying").await.unwrap();
    let url = Some("http://pr-1.example.com/");
    forge.set_deployment(&demo(), first, DeploymentState::Success, url, log, &"e".repeat(300)).await.unwrap();
    let second = forge.create_deployment(&demo(), &deployment("m2")).await.unwrap();
    forge.set_deployment(&demo(), second, DeploymentState::Failure, None, None, "failed").await.unwrap();
    let listed = forge.deployments(&demo(), "preview/pr-1").await.unwrap();
    let listed: Vec<_> = listed.iter().map(|found| (found.id, found.marker.as_str())).collect();
    assert_eq!(listed, [(second, "m2"), (first, "m1")]);
    assert_eq!(forge.deployments(&demo(), "preview/pr-2").await.unwrap(), []);
    let active = forge.delete_deployment(&demo(), first).await.unwrap_err();
    assert_eq!(active.kind(), ErrorKind::Invalid, "an active one stays");
    forge.set_deployment(&demo(), first, DeploymentState::Inactive, None, None, "destroyed").await.unwrap();
    forge.delete_deployment(&demo(), first).await.unwrap();
    forge.delete_deployment(&demo(), first).await.unwrap();
    assert_eq!(forge.deployments(&demo(), "preview/pr-1").await.unwrap().len(), 1);
    // The App has no `administration` right, which is fine.
    forge.delete_environment(&demo(), "preview/pr-1").await.unwrap();
    assert_eq!(scene.count("DELETE", "/environments/preview/pr-1").await, 1);
    scene.mock.assert_contract_kept().await;
}
