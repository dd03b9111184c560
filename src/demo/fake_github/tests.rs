//! The stand-in over real HTTP, as the bot meets it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::*;
use crate::demo::sample::{BRANCH, Sample};
use crate::domain::ports::Clock;

const REPOSITORY: &str = "acme/shop";

struct HandClock(Mutex<Timestamp>);

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(duration).unwrap();
    }
}

struct Scene {
    fake: FakeGithub,
    clock: Arc<HandClock>,
    client: reqwest::Client,
}

impl Scene {
    async fn new() -> Self {
        let clock = Arc::new(HandClock(Mutex::new("2026-01-02T03:04:05Z".parse().unwrap())));
        let fake = FakeGithub::start(FakeOptions::new(clock.clone())).await.unwrap();
        fake.add_repository(RepositorySpec::new(REPOSITORY, 1));
        fake.add_repository(RepositorySpec::new("acme/other", 2));
        Self { fake, clock, client: reqwest::Client::new() }
    }

    fn jwt(&self, pem: &str, app: u64) -> String {
        let now = self.clock.now().as_second();
        let claims = json!({ "iss": app, "iat": now - 10, "exp": now + 540 });
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.fake.base_url()));
        request.bearer_auth(token).json(&body).send().await.unwrap()
    }

    async fn token_for(&self, body: Value) -> String {
        let jwt = self.jwt(self.fake.private_key_pem(), 4242);
        let answer = self.call(Method::POST, "/app/installations/77/access_tokens", &jwt, body).await;
        assert_eq!(answer.status(), 201);
        let answer: Value = answer.json().await.unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let token = self.token_for(json!({})).await;
        let answer = self.call(method, path, &token, body).await;
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn open(&self) -> u64 {
        self.fake.people().open_pull(REPOSITORY, pull("ada", 'a')).await.unwrap().0
    }
}

fn pull(author: &str, digit: char) -> NewPull {
    NewPull { head_sha: Some(digit.to_string().repeat(40)), ..NewPull::new(author, "feature") }
}

#[tokio::test]
async fn only_the_apps_own_key_and_id_open_the_door() {
    let scene = Scene::new().await;
    let stranger = AppKey::generate().unwrap();
    let own = scene.fake.private_key_pem().to_owned();
    for (pem, app, expected) in
        [(own.as_str(), 4242, 200), (own.as_str(), 1, 401), (stranger.private_key_pem(), 4242, 401)]
    {
        let jwt = scene.jwt(pem, app);
        assert_eq!(scene.call(Method::GET, "/app", &jwt, Value::Null).await.status(), expected);
    }
    let path = format!("/repos/{REPOSITORY}");
    let jwt = scene.jwt(&own, 4242);
    assert_eq!(
        scene.call(Method::GET, &path, &jwt, Value::Null).await.status(),
        403,
        "the App is no installation"
    );
    assert_eq!(scene.client.get(format!("{}/app", scene.fake.base_url())).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn an_installation_token_lasts_an_hour_and_reaches_what_it_was_narrowed_to() {
    let scene = Scene::new().await;
    let token = scene.token_for(json!({ "repository_ids": [1] })).await;
    let status = async |path: &str| scene.call(Method::GET, path, &token, Value::Null).await.status().as_u16();
    assert_eq!(status("/repos/acme/shop").await, 200);
    assert_eq!(status("/repositories/1").await, 200);
    assert_eq!(status("/repos/acme/other").await, 404);
    scene.clock.sleep(Duration::from_mins(59)).await;
    assert_eq!(status("/repos/acme/shop").await, 200);
    scene.clock.sleep(Duration::from_mins(1)).await;
    assert_eq!(status("/repos/acme/shop").await, 401);
}

#[tokio::test]
async fn comments_are_written_listed_by_page_edited_and_reacted_to() {
    let scene = Scene::new().await;
    let number = scene.open().await;
    let path = format!("/repos/{REPOSITORY}/issues/{number}/comments");
    for body in ["one", "two", "three"] {
        assert_eq!(scene.ask(Method::POST, &path, json!({ "body": body })).await.0, 201);
    }
    let token = scene.token_for(json!({})).await;
    let page = scene.call(Method::GET, &format!("{path}?per_page=2"), &token, Value::Null).await;
    assert!(page.headers()["link"].to_str().unwrap().contains("page=2&per_page=2>; rel=\"next\""));
    let (_, page) = scene.ask(Method::GET, &format!("{path}?per_page=2&page=2"), Value::Null).await;
    assert_eq!(page.as_array().unwrap().len(), 1);
    assert_eq!(page[0]["body"], "three");
    assert_eq!(page[0]["user"]["type"], "Bot");

    let comment = format!("/repos/{REPOSITORY}/issues/comments/{}", page[0]["id"]);
    assert_eq!(scene.ask(Method::PATCH, &comment, json!({ "body": "3" })).await.1["body"], "3");
    let reactions = format!("{comment}/reactions");
    for expected in [201, 200] {
        assert_eq!(scene.ask(Method::POST, &reactions, json!({ "content": "eyes" })).await.0, expected);
    }
    assert_eq!(scene.ask(Method::POST, &reactions, json!({ "content": "wink" })).await.0, 422);
    assert_eq!(scene.fake.comments(REPOSITORY, number)[2].reactions.len(), 1);

    let (foreign, _) = scene.fake.people().comment(REPOSITORY, number, "ada", "mine").await.unwrap();
    let foreign = format!("/repos/{REPOSITORY}/issues/comments/{foreign}");
    assert_eq!(
        scene.ask(Method::PATCH, &foreign, json!({ "body": "x" })).await.0,
        403,
        "others' words stay theirs"
    );
    assert_eq!(scene.ask(Method::DELETE, &comment, Value::Null).await.0, 204);
    assert_eq!(scene.ask(Method::PATCH, &comment, json!({ "body": "x" })).await.0, 404);
}

#[tokio::test]
async fn a_check_keeps_its_history_and_refuses_what_github_refuses() {
    let scene = Scene::new().await;
    scene.open().await;
    let (path, sha) = (format!("/repos/{REPOSITORY}/check-runs"), "a".repeat(40));
    let new = json!({ "name": "preview", "head_sha": sha, "status": "in_progress", "external_id": "x" });
    let (status, check) = scene.ask(Method::POST, &path, new).await;
    assert_eq!((status, &check["pull_requests"][0]["number"]), (201, &json!(1)));
    let one = format!("{path}/{}", check["id"]);
    assert_eq!(scene.ask(Method::PATCH, &one, json!({ "status": "completed" })).await.0, 422);
    let end = json!({ "conclusion": "success", "output": { "title": "Ready", "summary": "s" } });
    assert_eq!(scene.ask(Method::PATCH, &one, end).await.1["status"], "completed");
    let found = format!("/repos/{REPOSITORY}/commits/{sha}/check-runs?check_name=preview&app_id=4242");
    assert_eq!(scene.ask(Method::GET, &found, Value::Null).await.1["total_count"], 1);
    let other = format!("/repos/{REPOSITORY}/commits/{sha}/check-runs?app_id=1");
    assert_eq!(scene.ask(Method::GET, &other, Value::Null).await.1["total_count"], 0);
    let checks = scene.fake.checks(REPOSITORY, &sha);
    assert_eq!(
        (checks[0].history.as_slice(), checks[0].title()),
        (["in_progress", "success"].map(String::from).as_slice(), "Ready")
    );
}

#[tokio::test]
async fn a_deployment_is_retired_before_it_is_deleted() {
    let scene = Scene::new().await;
    let path = format!("/repos/{REPOSITORY}/deployments");
    let new =
        json!({ "ref": "a".repeat(40), "environment": "preview/pr-1", "required_contexts": [], "payload": "m" });
    assert_eq!(
        scene.ask(Method::POST, &path, json!({ "ref": "main" })).await.0,
        409,
        "contexts are required by default"
    );
    let (_, first) = scene.ask(Method::POST, &path, new.clone()).await;
    let (status, second) = scene.ask(Method::POST, &path, new).await;
    assert_eq!((status, &second["sha"], &second["payload"]), (201, &json!("a".repeat(40)), &json!("m")));
    let statuses = format!("{path}/{}/statuses", second["id"]);
    let success = json!({ "state": "success", "environment_url": "http://x", "auto_inactive": false });
    assert_eq!(scene.ask(Method::POST, &statuses, success).await.0, 201);
    let one = format!("{path}/{}", second["id"]);
    assert_eq!(scene.ask(Method::DELETE, &one, Value::Null).await.0, 422);
    assert_eq!(scene.ask(Method::POST, &statuses, json!({ "state": "inactive" })).await.0, 201);
    assert_eq!(scene.ask(Method::GET, &statuses, Value::Null).await.1[0]["state"], "inactive");
    assert_eq!(scene.ask(Method::DELETE, &one, Value::Null).await.0, 204);
    let (_, left) = scene.ask(Method::GET, &format!("{path}?environment=preview%2Fpr-1"), Value::Null).await;
    assert_eq!(left[0]["id"], first["id"]);
    let environment = format!("/repos/{REPOSITORY}/environments/preview%2Fpr-1");
    assert_eq!(scene.ask(Method::DELETE, &environment, Value::Null).await.0, 403);
}

#[tokio::test]
async fn faults_spoil_the_requests_they_are_meant_for_and_no_other() {
    let scene = Scene::new().await;
    let number = scene.open().await;
    let path = format!("/repos/{REPOSITORY}/issues/{number}/comments");
    scene.fake.inject(Fault::status(502).on("POST", "*/comments").after_acting());
    scene.fake.inject(Fault::status(403).on("POST", "*/comments").header("retry-after", "3"));
    assert_eq!(scene.ask(Method::POST, &path, json!({ "body": "kept" })).await.0, 502);
    assert_eq!(scene.fake.bot_comments(REPOSITORY, number).len(), 1, "made, only the answer was lost");
    let token = scene.token_for(json!({})).await;
    let limited = scene.call(Method::POST, &path, &token, json!({ "body": "lost" })).await;
    assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (403, &"3".parse().unwrap()));
    assert_eq!(scene.fake.bot_comments(REPOSITORY, number).len(), 1);

    scene.fake.inject(Fault::new(FaultKind::Drop).on("GET", "/repos/*").skipping(1));
    let url = format!("{}/repos/{REPOSITORY}", scene.fake.base_url());
    let get = || scene.client.get(&url).bearer_auth(&token).send();
    assert_eq!(get().await.unwrap().status(), 200);
    assert!(get().await.is_err(), "no answer at all");
    assert_eq!(get().await.unwrap().status(), 200);
}

#[tokio::test]
async fn files_come_from_the_real_repository() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let sample = Sample::create(folder.path(), "acme/guestbook").unwrap();
    let sha = sample.push_headline(BRANCH, "Hello").unwrap();
    scene.fake.add_repository(RepositorySpec::new("acme/guestbook", 3).with_git(sample.bare()));
    let path = format!("/repos/acme/guestbook/contents/web/index.html?ref={sha}");
    let (status, file) = scene.ask(Method::GET, &path, Value::Null).await;
    assert_eq!((status, &file["encoding"], &file["path"]), (200, &json!("base64"), &json!("web/index.html")));
    let token = scene.token_for(json!({})).await;
    let raw = scene.client.get(format!("{}{path}", scene.fake.base_url())).bearer_auth(&token);
    let raw = raw.header("accept", "application/vnd.github.raw").send().await.unwrap().text().await.unwrap();
    assert!(raw.contains("<h1>Hello</h1>"));
    for missing in ["web/none.html", "web"] {
        let path = format!("/repos/acme/guestbook/contents/{missing}?ref={sha}");
        assert_eq!(scene.ask(Method::GET, &path, Value::Null).await.0, 404);
    }

    let people = scene.fake.people();
    let (number, _) = people.open_pull("acme/guestbook", NewPull::new("ada", BRANCH)).await.unwrap();
    let next = sample.push_headline(BRANCH, "Hello again").unwrap();
    people.push("acme/guestbook", number, None).await.unwrap();
    assert_eq!(scene.fake.pull("acme/guestbook", number).unwrap().head_sha, next);
    assert_eq!(state::git(sample.bare(), &["rev-parse", "refs/pull/1/head"]).unwrap(), next);
    people.merge("acme/guestbook", number, "ada").await.unwrap();
    assert_eq!(state::git(sample.bare(), &["rev-parse", "main"]).unwrap(), next);
}

#[tokio::test]
async fn a_fork_is_another_repository_and_may_be_gone() {
    let scene = Scene::new().await;
    scene.fake.add_repository(RepositorySpec::new("eve/shop", 9).forked_from(1));
    let new = NewPull { head_repository: Some("eve/shop".to_owned()), ..pull("eve", 'e') };
    let (number, delivery) = scene.fake.people_unheard().open_pull(REPOSITORY, new).await.unwrap();
    let payload: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!(payload["pull_request"]["head"]["repo"]["id"], 9);
    assert_eq!(payload["pull_request"]["head"]["label"], "eve:feature");
    let of_commit = format!("/repos/{REPOSITORY}/commits/{}/pulls", "e".repeat(40));
    assert_eq!(scene.ask(Method::GET, &of_commit, Value::Null).await.1, json!([]));
    let by_head = format!("/repos/{REPOSITORY}/pulls?head=eve%3Afeature");
    assert_eq!(scene.ask(Method::GET, &by_head, Value::Null).await.1[0]["number"], number);
    assert_eq!(scene.ask(Method::GET, "/repos/eve/shop", Value::Null).await.0, 404, "not installed there");
    scene.fake.delete_repository("eve/shop").unwrap();
    let (_, now) = scene.ask(Method::GET, &format!("/repos/{REPOSITORY}/pulls/{number}"), Value::Null).await;
    assert_eq!((&now["head"]["repo"], &now["head"]["sha"]), (&Value::Null, &json!("e".repeat(40))));
}

#[tokio::test]
async fn rights_and_unknown_routes() {
    let scene = Scene::new().await;
    scene.fake.set_permission(REPOSITORY, "ada", "maintain").unwrap();
    let permission = async |login: &str| {
        let path = format!("/repos/{REPOSITORY}/collaborators/{login}/permission");
        scene.ask(Method::GET, &path, Value::Null).await.1["permission"].clone()
    };
    assert_eq!(permission("ada").await, "write");
    assert_eq!(permission("eve").await, "none");
    assert!(scene.fake.unexpected_requests().is_empty());
    assert_eq!(scene.ask(Method::GET, &format!("/repos/{REPOSITORY}/stargazers"), Value::Null).await.0, 404);
    assert_eq!(scene.fake.unexpected_requests().len(), 1);
}

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn receiver() -> (String, Received) {
    let received = Received::default();
    let kept = Arc::clone(&received);
    let take = async move |headers: HeaderMap, body: Bytes| {
        kept.lock().unwrap().push((headers, body));
    };
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let serve = axum::serve(listener, Router::new().route("/hook", post(take)));
    tokio::spawn(async move { serve.await });
    (url, received)
}

#[tokio::test]
async fn what_people_do_is_told_in_signed_webhooks_that_can_be_sent_again() {
    let scene = Scene::new().await;
    let (url, received) = receiver().await;
    scene.fake.set_webhook(WebhookTarget { url, secret: "quiet".to_owned() });
    let number = scene.open().await;
    let (fake, people) = (&scene.fake, scene.fake.people());
    people.push(REPOSITORY, number, Some(&"b".repeat(40))).await.unwrap();
    people.label(REPOSITORY, number, "preview", true).await.unwrap();
    people.set_draft(REPOSITORY, number, true).await.unwrap();
    let (comment, told) = people.comment(REPOSITORY, number, "ada", "/preview deploy").await.unwrap();
    people.edit_comment(REPOSITORY, comment, "/preview destroy").await.unwrap();
    people.close(REPOSITORY, number, "ada").await.unwrap();
    people.reopen(REPOSITORY, number, "ada").await.unwrap();
    fake.deliver(&told.guid).await.unwrap();
    fake.people_unheard().close(REPOSITORY, number, "ada").await.unwrap();

    let received = received.lock().unwrap();
    let actions: Vec<String> = received
        .iter()
        .map(|(headers, body)| {
            assert_eq!(headers["x-hub-signature-256"], webhooks::sign("quiet", body));
            assert!(headers["user-agent"].to_str().unwrap().starts_with("GitHub-Hookshot/"));
            let payload: Value = serde_json::from_slice(body).unwrap();
            assert_eq!(payload["installation"]["id"], 77);
            format!("{}.{}", headers["x-github-event"].to_str().unwrap(), payload["action"].as_str().unwrap())
        })
        .collect();
    let expected = "pull_request.opened pull_request.synchronize pull_request.labeled pull_request.converted_to_draft \
                    issue_comment.created issue_comment.edited pull_request.closed pull_request.reopened \
                    issue_comment.created";
    assert_eq!(actions.join(" "), expected);
    assert_eq!(
        received[4].0["x-github-delivery"], received[8].0["x-github-delivery"],
        "sent again under its own id"
    );
    let synchronize: Value = serde_json::from_slice(&received[1].1).unwrap();
    assert_eq!((&synchronize["before"], &synchronize["after"]), (&json!("a".repeat(40)), &json!("b".repeat(40))));
    assert!(!fake.pull(REPOSITORY, number).unwrap().open, "the unheard close counts all the same");
}

#[tokio::test]
async fn the_page_shows_what_people_and_bot_wrote_and_runs_none_of_it() {
    let scene = Scene::new().await;
    let number = scene.open().await;
    scene.fake.people().comment(REPOSITORY, number, "ada", "<script>alert(1)</script>").await.unwrap();
    let page = scene.client.get(scene.fake.base_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"), "{page}");
    assert!(scene.fake.requests().is_empty(), "the page is no API request");
}
