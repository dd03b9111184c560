//! The GitHub adapter against answers that the validating mock does not give: redirects, folders, huge files.

use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use previewbot::domain::change::{ChangeNumber, ForgeKind, Repository, RepositoryId};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::Forge as _;
use previewbot::outbound::forge::github::{GithubApp, GithubForge};
use secrecy::SecretString;

use crate::support::hand_clock::HandClock;

/// The requests that a server got: path and headers.
type Log = Arc<Mutex<Vec<(String, HeaderMap)>>>;

/// A server that hands out tokens and otherwise answers as told.
async fn server(answer: fn(&str) -> Response) -> (String, Log) {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let router = Router::new().fallback(async move |request: Request| {
        let path = request.uri().path().to_owned();
        seen.lock().unwrap().push((path.clone(), request.headers().clone()));
        if path.ends_with("/access_tokens") {
            let token = r#"{"token":"ghs_1","expires_at":"2999-01-01T00:00:00Z","permissions":{}}"#;
            return (StatusCode::CREATED, [(CONTENT_TYPE, "application/json")], token).into_response();
        }
        answer(&path)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, log)
}

fn key() -> SecretString {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let options = ["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"];
    assert!(Command::new("ssh-keygen").args(options).arg(&file).status().unwrap().success());
    std::fs::read_to_string(file).unwrap().into()
}

fn forge(api_url: &str) -> GithubForge {
    let app = GithubApp { app_id: 1, private_key: key(), api_url: api_url.to_owned() };
    GithubForge::new(&app, Arc::new(HandClock::at(1_700_000_000))).unwrap()
}

fn shop() -> Repository {
    let name = "acme/shop".parse().unwrap();
    Repository { forge: ForgeKind::Github, id: RepositoryId(1), name, installation: Some(7) }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_takes_no_credential_along() {
    static ELSEWHERE: Mutex<String> = Mutex::new(String::new());
    let (elsewhere, stolen) = server(|_| StatusCode::OK.into_response()).await;
    ELSEWHERE.lock().unwrap().clone_from(&elsewhere);
    let (url, log) = server(|path| {
        let target = format!("{}{path}", ELSEWHERE.lock().unwrap());
        (StatusCode::MOVED_PERMANENTLY, [(LOCATION, target)]).into_response()
    })
    .await;
    let forge = forge(&url);
    let error = forge.change(&shop(), ChangeNumber(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("renamed"), "{error}");
    let error = forge.create_comment(&shop(), ChangeNumber(1), "text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(stolen.lock().unwrap().is_empty());
    for (path, headers) in log.lock().unwrap().iter() {
        assert_eq!(headers.get_all("user-agent").iter().count(), 1, "{path}");
        assert!(headers["authorization"].to_str().unwrap().starts_with("Bearer "), "{path}");
        assert_eq!(headers["x-github-api-version"], "2022-11-28", "{path}");
    }
}

#[tokio::test]
async fn only_files_of_sensible_size_are_read() {
    let (url, _) = server(|path| match path.rsplit('/').next().unwrap() {
        "folder" => ([(CONTENT_TYPE, "application/json; charset=utf-8")], "[]").into_response(),
        "exact" => ([(CONTENT_TYPE, "application/vnd.github.raw+json")], vec![b'x'; 1 << 20]).into_response(),
        _ => ([(CONTENT_TYPE, "application/vnd.github.raw+json")], vec![b'x'; (1 << 20) + 1]).into_response(),
    })
    .await;
    let forge = forge(&url);
    let sha = "a".repeat(40).parse().unwrap();
    let file = async |path| forge.file(&shop(), path, &sha).await;
    assert_eq!(file("apps/folder").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(file("exact").await.unwrap().unwrap().len(), 1 << 20);
    assert_eq!(file("huge").await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_enterprise_servers_path_is_kept_and_garbage_is_not_an_answer() {
    let (url, log) = server(|_| "<html>proxy</html>".into_response()).await;
    let forge = forge(&format!("{url}/api/v3/"));
    let error = forge.change(&shop(), ChangeNumber(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let paths: Vec<_> = log.lock().unwrap().iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths, ["/api/v3/app/installations/7/access_tokens", "/api/v3/repos/acme/shop/pulls/1"]);
}

#[tokio::test]
async fn a_forge_that_is_not_there_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = forge(&url).change(&shop(), ChangeNumber(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_without_being_quoted() {
    let app = |private_key: &str| GithubApp {
        app_id: 1,
        private_key: private_key.into(),
        api_url: "https://api.github.com".to_owned(),
    };
    for bad in ["", "hunter2", "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\n"] {
        let clock = Arc::new(HandClock::at(0));
        let error = GithubForge::new(&app(bad), clock).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!error.chain().contains("hunter2") && error.to_string().contains("private_key_file"), "{error}");
    }
}
