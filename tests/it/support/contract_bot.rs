//! A whole bot between the validating mock of GitHub and a real git repository.
//!
//! The mock holds pull requests and no git: its state is made from the commits of a repository on disk, and keeps
//! naming them as the tests push.

use std::path::Path;
use std::sync::Arc;

use previewbot::app::bot::{Bot, World};
use previewbot::domain::change::Sha;
use previewbot::domain::environment::Environment;
use previewbot::domain::job::Job;
use previewbot::domain::ports::{Environments, JobFilter, JobQueue};
use previewbot::outbound::clock::OsRandom;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bot::{eventually, processes_with, sample_files};
use super::contract::{self, GithubMock};
use super::hurried_clock::HurriedClock;
use super::repository::TestRepository;

/// The repository of the mock that has an installation with all rights.
pub(crate) const DEMO: &str = "octo-org/demo";
/// How much faster than the machine's the bot's clock runs.
const HURRY: u32 = 5;

/// The bot, the mock and the repository.
pub(crate) struct ContractBot {
    pub(crate) mock: GithubMock,
    pub(crate) repository: TestRepository,
    pub(crate) data: TempDir,
    pub(crate) bot: Bot,
    secret: String,
}

impl Drop for ContractBot {
    fn drop(&mut self) {
        // Previews outlive their bot; those of a test must not.
        let notes = self.data.path().join("database");
        for pid in processes_with("PREVIEW_DATA", notes.to_str().unwrap()).keys() {
            let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

impl ContractBot {
    /// `None` when there is no contract to test against.
    pub(crate) async fn start() -> Option<Self> {
        let folder = contract::folder()?;
        let repository = TestRepository::new(DEMO);
        let data = tempfile::tempdir().unwrap();
        let state = state(&folder, &repository);
        let secret = state["app"]["webhook_secret"].as_str().unwrap().to_owned();
        let fixture = data.path().join("fixture.json");
        std::fs::write(&fixture, state.to_string()).unwrap();
        let mock = GithubMock::start_from(&folder, &fixture);
        let key = mock.get("app_key").await;
        let settings = settings(data.path(), &repository, &mock, &json!({ "key": key, "secret": secret }));
        let world = World { clock: Arc::new(HurriedClock::times(HURRY)), random: Arc::new(OsRandom) };
        let bot = Bot::start(serde_json::from_value(settings).unwrap(), world).await.unwrap();
        Some(Self { mock, repository, data, bot, secret })
    }

    /// Has the mock build, sign and send one delivery; the status that it was answered with.
    pub(crate) async fn deliver(&self, mut what: Value) -> (u64, String) {
        what["url"] = json!(format!("http://{}/webhooks/github", self.bot.address()));
        what["secret"] = json!(self.secret);
        let sent = self.mock.post("deliver", what).await;
        (sent[0]["status_code"].as_u64().unwrap(), sent[0]["guid"].as_str().unwrap().to_owned())
    }

    /// Something happened to a pull request.
    pub(crate) async fn happened(&self, number: u64, action: &str) {
        let what = json!({ "pull": format!("{DEMO}#{number}"), "action": action });
        assert_eq!(self.deliver(what).await.0, 202, "{action}");
    }

    /// Somebody says something on a pull request.
    pub(crate) async fn say(&self, number: u64, sender: &str, body: &str) {
        let pull = format!("{DEMO}#{number}");
        let what = json!({ "pull": pull, "event": "issue_comment", "sender": sender, "body": body });
        assert_eq!(self.deliver(what).await.0, 202, "{body}");
    }

    /// Commits to the branch of a pull request and says so.
    pub(crate) async fn push(&self, number: u64, branch: &str, files: &[(&str, Option<&str>)]) -> Sha {
        let sha = self.repository.commit(branch, files);
        self.change(number, json!({ "head": { "sha": sha } })).await;
        self.happened(number, "synchronize").await;
        sha
    }

    /// Changes a pull request in the mock's state.
    pub(crate) async fn change(&self, number: u64, mut fields: Value) {
        fields["repo"] = json!(DEMO);
        fields["number"] = json!(number);
        self.mock.post("pulls", fields).await;
    }

    /// What is in the mock under this name.
    pub(crate) async fn state(&self, name: &str) -> Vec<Value> {
        self.mock.get("state").await[name].as_array().unwrap().clone()
    }

    /// The head commit of a pull request.
    pub(crate) async fn head(&self, number: u64) -> String {
        let pulls = self.state("pulls").await;
        let pull = pulls.iter().find(|pull| pull["number"] == number).unwrap();
        pull["head"]["sha"].as_str().unwrap().to_owned()
    }

    /// What the bot asked for and did, but for its tokens.
    pub(crate) async fn api_requests(&self) -> Vec<Value> {
        let mut all = self.mock.requests().await;
        all.retain(|request| !request["path"].as_str().unwrap().ends_with("/access_tokens"));
        all
    }

    /// How many deployments are not inactive.
    pub(crate) async fn live_deployments(&self) -> usize {
        let inactive = |deployment: &&Value| {
            let statuses = deployment["statuses"].as_array().unwrap();
            statuses.last().is_some_and(|status| status["state"] == "inactive")
        };
        let all = self.state("deployments").await;
        all.len() - all.iter().filter(inactive).count()
    }

    /// Waits until some comment bears this reaction.
    pub(crate) async fn reaction(&self, content: &str) {
        let looking = || async {
            self.state("reactions").await.iter().any(|reaction| reaction["content"] == content).then_some(())
        };
        eventually(&format!("the reaction {content}"), || self.seen(), looking).await;
    }

    /// Comments of the bot on a pull request.
    pub(crate) async fn comments(&self, number: u64) -> Vec<String> {
        let mut all = self.state("comments").await;
        all.retain(|comment| comment["issue"] == number && comment["user"] == "preview-bot[bot]");
        all.iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    /// Checks of a commit.
    pub(crate) async fn checks(&self, sha: &str) -> Vec<Value> {
        let mut all = self.state("check_runs").await;
        all.retain(|check| check["head_sha"] == sha);
        all
    }

    /// Waits until the check of a commit has ended with this conclusion.
    pub(crate) async fn check_ended(&self, sha: &str, conclusion: &str) -> Value {
        let looking = || async {
            let checks = self.checks(sha).await;
            checks.into_iter().find(|check| check["conclusion"] == conclusion)
        };
        eventually(&format!("a check {conclusion} of {sha}"), || self.seen(), looking).await
    }

    /// Waits until a comment of the bot contains `text`.
    pub(crate) async fn comment_with(&self, number: u64, text: &str) -> String {
        let looking = || async { self.comments(number).await.into_iter().find(|body| body.contains(text)) };
        eventually(&format!("a comment with {text:?}"), || self.seen(), looking).await
    }

    /// Waits until no job waits or runs and everything was reported.
    pub(crate) async fn idle(&self) {
        let looking = || async {
            let ended = self.jobs().await.iter().all(|job| job.state.is_terminal());
            (ended && self.all_reported().await).then_some(())
        };
        eventually("an idle bot", || self.seen(), looking).await;
    }

    async fn all_reported(&self) -> bool {
        use previewbot::domain::ports::Reports;
        self.bot.store().next_due_at().await.unwrap().is_none()
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        JobQueue::list(self.bot.store(), &JobFilter { limit: 1000, ..JobFilter::default() }).await.unwrap()
    }

    pub(crate) async fn environments(&self) -> Vec<Environment> {
        Environments::list(self.bot.store(), true).await.unwrap()
    }

    fn seen(&self) -> String {
        format!("the mock at {} knows more", self.mock.url())
    }
}

/// The contract's own state, with the commits of a real repository in it.
fn state(folder: &Path, repository: &TestRepository) -> Value {
    let files = sample_files();
    let commit: Vec<(&str, Option<&str>)> =
        files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    let main = repository.commit("main", &commit);
    let feature = repository.commit("feature-1", &[("web/index.html", Some("<h1>One</h1><!-- notes -->"))]);
    let draft = repository.commit("feature-2", &[("web/index.html", Some("<h1>Draft</h1><!-- notes -->"))]);
    let text = std::fs::read_to_string(folder.join("github/fixture.json")).unwrap();
    let mut state: Value = serde_json::from_str(&text).unwrap();
    let demo = &mut state["repositories"][0];
    demo["branches"] = json!({ "main": main, "feature-1": feature, "feature-2": draft });
    demo["files"] = json!(files.into_iter().collect::<std::collections::BTreeMap<_, _>>());
    for pull in state["pulls"].as_array_mut().unwrap() {
        pull["base"]["sha"] = json!(main);
        match pull["number"].as_u64() {
            Some(1) => pull["head"]["sha"] = json!(feature),
            Some(3) => pull["head"]["sha"] = json!(draft),
            _ => {}
        }
    }
    state["comments"] = json!([]);
    state
}

fn settings(data: &Path, repository: &TestRepository, mock: &GithubMock, app: &Value) -> Value {
    let site = data.join("site");
    std::fs::write(&site, env!("CARGO_BIN_EXE_previewbot")).unwrap();
    let notes = data.join("notes");
    std::fs::write(&notes, data.join("database").to_str().unwrap()).unwrap();
    json!({
        "data_dir": data,
        "public_url": "http://bot.example",
        "server": { "listen": "127.0.0.1:0" },
        "database": { "url": format!("sqlite://{}", data.join("previewbot.db").display()) },
        "github": {
            "app_id": app["key"]["app_id"],
            "private_key": app["key"]["private_key"],
            "webhook_secret": app["secret"],
            "api_url": mock.url(),
            "git_url": format!("file://{}", repository.base().display()),
        },
        "local": { "public_host": "127.0.0.1", "bind": "127.0.0.1" },
        "projects": [{
            "repository": format!("github:{DEMO}"),
            "mode": "local",
            "secrets": {
                "PREVIEW_SITE": format!("file:{}", site.display()),
                "PREVIEW_DATA": format!("file:{}", notes.display()),
            },
        }],
    })
}
