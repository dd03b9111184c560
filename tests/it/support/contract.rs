//! The validating mock of GitHub in the folder that `$CONTRACT_DIR` names.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The contract folder; a notice and `None` when the variable is not set.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("CONTRACT_DIR").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: CONTRACT_DIR is not set, so there is no contract to test against");
    }
    folder
}

/// A running mock; it ends with the value.
pub(crate) struct GithubMock {
    process: Child,
    url: String,
    http: reqwest::Client,
}

impl Drop for GithubMock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl GithubMock {
    /// Starts one on a free port; `None` without a contract folder.
    pub(crate) fn start() -> Option<Self> {
        let folder = folder()?;
        Some(Self::started_with(&folder, &[]))
    }

    /// Starts one that begins with the state in this file.
    pub(crate) fn start_from(folder: &Path, fixture: &Path) -> Self {
        Self::started_with(folder, &[Path::new("--fixture"), fixture])
    }

    fn started_with(folder: &Path, arguments: &[&Path]) -> Self {
        let mut process = Command::new(interpreter(folder))
            .arg(folder.join("mock_github.py"))
            .args(["--port", "0"])
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let hello: Value = serde_json::from_str(&line).expect("the mock's first line is JSON");
        let url = hello["url"].as_str().unwrap().to_owned();
        Self { process, url, http: reqwest::Client::new() }
    }

    /// The API's root.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Reads a control route.
    pub(crate) async fn get(&self, route: &str) -> Value {
        let answer = self.http.get(format!("{}/_mock/{route}", self.url)).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    /// Uses a control route.
    pub(crate) async fn post(&self, route: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}/_mock/{route}", self.url)).json(&body).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    /// The log: every request that the mock got.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        self.get("requests").await.as_array().unwrap().clone()
    }

    /// Fails when a request broke the API's description, as far as no fault was injected into it.
    pub(crate) async fn assert_contract_kept(&self) {
        let kept = self.get("requests?errors_only=1").await;
        let broken: Vec<_> =
            kept.as_array().unwrap().iter().filter(|request| request["fault"].is_null()).collect();
        assert!(broken.is_empty(), "requests against the contract: {broken:#?}");
        for request in self.requests().await {
            let agent = request["headers"]["User-Agent"].as_str().unwrap_or_default();
            assert!(agent.starts_with("previewbot/") && !agent.contains(','), "user agent: {request:#}");
            assert_eq!(request["notes"], serde_json::json!([]), "{request:#}");
        }
    }
}

fn interpreter(contract: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new(root.join("scripts/contract-mock.sh"))
        .arg(contract)
        .arg(root.join("target/contract-venv"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(made.status.success(), "the mock's environment could not be made");
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}
