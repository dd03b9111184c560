//! What is read: the App, changes, rights, files, tokens.

use std::time::Duration;

use previewbot::domain::change::{ChangeNumber, ChangeState, ForgeKind, Permission, RepositoryId};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::{Clock as _, Forge as _};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{HEAD, ONE, Scene, demo, head, repository};

#[tokio::test]
async fn changes_are_read_as_they_are() {
    let Some(scene) = Scene::new().await else { return };
    let forge = &scene.forge;
    assert_eq!(forge.kind(), ForgeKind::Github);
    assert_eq!(forge.bot_name().await.unwrap(), "preview-bot");
    let one = forge.change(&demo(), ONE).await.unwrap().unwrap();
    assert_eq!((one.title.as_str(), one.author.login.as_str()), ("Add a landing page", "alice"));
    assert_eq!(
        (one.state, one.draft, one.labels.as_slice()),
        (ChangeState::Open, false, &["preview".to_owned()][..])
    );
    assert_eq!((one.head.sha.as_str(), one.head.branch.as_str()), (HEAD, "feature-1"));
    assert!(one.same_repository(RepositoryId(5001)));
    let fork = forge.change(&demo(), ChangeNumber(2)).await.unwrap().unwrap();
    assert!(!fork.same_repository(RepositoryId(5001)) && fork.author.login == "mallory");
    assert!(forge.change(&demo(), ChangeNumber(3)).await.unwrap().unwrap().draft);
    let gone = forge.change(&demo(), ChangeNumber(4)).await.unwrap().unwrap();
    assert_eq!((gone.state, gone.head.repository), (ChangeState::Closed, None));
    assert_eq!(forge.change(&demo(), ChangeNumber(99)).await.unwrap(), None);
    scene
        .mock
        .post("pulls", json!({ "repo": "octo-org/demo", "number": 1, "state": "closed", "merged": true }))
        .await;
    assert_eq!(forge.change(&demo(), ONE).await.unwrap().unwrap().state, ChangeState::Merged);
    assert_eq!(scene.count("POST", "/access_tokens").await, 1, "one token serves all calls");
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn open_changes_are_found_by_their_head() {
    let Some(scene) = Scene::new().await else { return };
    let found = scene.forge.changes_with_head(&demo(), &head()).await.unwrap();
    assert_eq!(found, [ONE]);
    let fork = "9049f1265b7d61be4a8904a9a27120d2064dab3b".parse().unwrap();
    assert_eq!(scene.forge.changes_with_head(&demo(), &fork).await.unwrap(), [ChangeNumber(2)]);
    let unknown = "a".repeat(40).parse().unwrap();
    assert_eq!(scene.forge.changes_with_head(&demo(), &unknown).await.unwrap(), []);
    let closed = "0f4c3e1d7b2a5968bcdeadbe1f0123456789abcd".parse().unwrap();
    assert_eq!(scene.forge.changes_with_head(&demo(), &closed).await.unwrap(), []);
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn rights_are_asked_afresh_after_a_minute() {
    let Some(scene) = Scene::new().await else { return };
    let table = [
        ("alice", Permission::Admin),
        ("bob", Permission::Write),
        ("carol", Permission::Read),
        ("nobody-knows", Permission::None),
        ("../../app", Permission::None),
        ("dependabot[bot]", Permission::None),
    ];
    for (login, wanted) in table {
        assert_eq!(scene.forge.permission(&demo(), login).await.unwrap(), wanted, "{login}");
    }
    let api = repository("octo-org/private-api", 5002, Some(super::INSTALLATION));
    assert_eq!(scene.forge.permission(&api, "alice").await.unwrap(), Permission::Maintain);
    let asked = "/octo-org/demo/collaborators/bob/permission";
    scene.clock.advance(Duration::from_secs(59));
    scene.forge.permission(&demo(), "Bob").await.unwrap();
    assert_eq!(scene.count("GET", asked).await, 1);
    scene.clock.advance(Duration::from_secs(1));
    scene.forge.permission(&demo(), "bob").await.unwrap();
    assert_eq!(scene.count("GET", asked).await, 2);
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn files_are_read_at_a_commit() {
    let Some(scene) = Scene::new().await else { return };
    let file = scene.forge.file(&demo(), "previewctl.yaml", &head()).await.unwrap();
    assert_eq!(file.as_deref(), Some(&b"version: 1\n"[..]));
    assert_eq!(scene.forge.file(&demo(), "missing.yaml", &head()).await.unwrap(), None);
    assert_eq!(scene.forge.file(&demo(), "a b/c?d#e.yaml", &head()).await.unwrap(), None);
    let refused = scene.forge.file(&demo(), "../secrets", &head()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn the_token_for_git_reads_one_repository_and_is_kept() {
    let Some(scene) = Scene::new().await else { return };
    let private = repository("octo-org/private-api", 5002, None);
    let first = scene.forge.git_token(&private).await.unwrap().unwrap();
    let again = scene.forge.git_token(&private).await.unwrap().unwrap();
    assert_eq!(first.expose_secret(), again.expose_secret());
    assert_eq!(scene.count("GET", "/octo-org/private-api/installation").await, 1);
    let tokens = scene.state("tokens").await;
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0]["repositories"], json!(["octo-org/private-api"]));
    assert_eq!(tokens[0]["permissions"], json!({ "metadata": "read", "contents": "read" }));
    // It has a second more than the reserve of five minutes. A second later it has not. The forge says the end in whole
    // seconds of its own clock, which went on meanwhile.
    let reserve = Duration::from_mins(5);
    let expires = Duration::from_secs_f64(tokens[0]["expires"].as_f64().unwrap()).as_secs();
    let now = u64::try_from(scene.clock.now().as_second()).unwrap();
    scene.clock.advance(Duration::from_secs(expires - now - reserve.as_secs() - 1));
    scene.forge.git_token(&private).await.unwrap();
    assert_eq!(scene.count("POST", "/access_tokens").await, 1);
    scene.clock.advance(Duration::from_secs(1));
    scene.forge.git_token(&private).await.unwrap();
    assert_eq!(scene.count("POST", "/access_tokens").await, 2);
    scene.forge.forget_git_token(&private);
    scene.forge.git_token(&private).await.unwrap();
    assert_eq!(scene.count("POST", "/access_tokens").await, 3, "one that git was refused with is not given again");
    scene.mock.assert_contract_kept().await;
}

#[tokio::test]
async fn an_installation_that_is_gone_is_looked_up_again() {
    let Some(scene) = Scene::new().await else { return };
    let stale = repository("octo-org/demo", 5001, Some(1));
    let first = scene.forge.change(&stale, ONE).await.unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Unavailable, "{}", first.chain());
    assert!(scene.forge.change(&stale, ONE).await.unwrap().is_some());
    let stranger = repository("nobody/nothing", 1, None);
    assert!(scene.forge.change(&stranger, ONE).await.unwrap().is_none(), "out of the App's sight");
    let refused = scene.forge.git_token(&stranger).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert!(refused.to_string().contains("not installed on nobody/nothing"), "{refused}");
    scene.mock.assert_contract_kept().await;
}
