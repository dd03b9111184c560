//! A whole bot between a stand-in for GitHub and real git repositories, as the front-door tests want it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use previewbot::app::bot::{Bot, Paces, World};
use previewbot::demo::fake_github::{
    FakeComment, FakeGithub, FakeOptions, NewPull, RepositorySpec, WebhookTarget,
};
use previewbot::domain::change::Sha;
use previewbot::domain::environment::Environment;
use previewbot::domain::job::Job;
use previewbot::domain::ports::{Environments, JobFilter, JobQueue};
use previewbot::outbound::clock::{OsRandom, SystemClock};
use previewbot::settings::Settings;
use previewbot::worker::disk_guard;
use previewbot::worker::reporter::Pace;
use previewbot::worker::watcher;
use serde_json::json;
use tempfile::TempDir;

use super::repository::TestRepository;

/// The repository of most tests.
pub(crate) const REPO: &str = "acme/shop";
/// Somebody with write.
pub(crate) const ALICE: &str = "alice";
/// Long enough for a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_mins(1);

/// What one test changes of the usual set-up.
pub(crate) struct Setup {
    /// Files of the main branch.
    pub files: Vec<(String, String)>,
    /// Changes to the settings, laid over the usual ones.
    pub settings: serde_json::Value,
}

impl Default for Setup {
    fn default() -> Self {
        Self { files: sample_files(), settings: json!({}) }
    }
}

/// The demo's sample repository.
pub(crate) fn sample_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sample");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// A `previewctl.yaml` whose only deed is this deploy hook.
pub(crate) fn deploy_only(hook: &str) -> String {
    format!("version: 1\nname: shop\nrunner:\n  deploy: {}\n", json!(hook))
}

/// A bot under test and the world around it.
pub(crate) struct TestBot {
    pub github: FakeGithub,
    pub repository: TestRepository,
    pub data: TempDir,
    settings: serde_json::Value,
    bot: Option<Bot>,
}

impl TestBot {
    /// The usual bot with the sample repository.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// A bot whose repository holds only this `previewctl.yaml`.
    pub(crate) async fn with_config(config: &str) -> Self {
        let files = vec![("previewctl.yaml".to_owned(), config.to_owned())];
        Self::with(Setup { files, ..Setup::default() }).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let mut this = Self::without_bot(setup).await;
        this.start_bot().await;
        this
    }

    /// Everything but the bot.
    pub(crate) async fn without_bot(setup: Setup) -> Self {
        let repository = TestRepository::new(REPO);
        let files: Vec<(&str, Option<&str>)> =
            setup.files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        repository.commit("main", &files);
        let github = FakeGithub::start(FakeOptions::new(Arc::new(SystemClock))).await.unwrap();
        github.add_repository(RepositorySpec::new(REPO, 5001).with_git(&repository.bare(REPO)));
        github.set_permission(REPO, ALICE, "write").unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut settings = usual_settings(&github, &repository, data.path());
        merge(&mut settings, setup.settings);
        Self { github, repository, data, settings, bot: None }
    }

    /// The settings as JSON.
    pub(crate) const fn settings(&self) -> &serde_json::Value {
        &self.settings
    }

    /// Lays these over the settings of the next start.
    pub(crate) fn change_settings(&mut self, over: serde_json::Value) {
        merge(&mut self.settings, over);
    }

    pub(crate) async fn start_bot(&mut self) {
        let bot = self.launch(self.settings.clone()).await.unwrap();
        self.deliver_to(&bot);
        self.bot = Some(bot);
    }

    /// Starts a bot with these settings in the same world; webhooks go where they went.
    pub(crate) async fn launch(&self, settings: serde_json::Value) -> anyhow::Result<Bot> {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let world = World { clock: Arc::new(SystemClock), random: Arc::new(OsRandom) };
        let reporter = Pace { between_edits_ms: 300, first_retry_ms: 1_000 };
        // A loaded machine may take its time to answer; one that refuses is known at once.
        let watcher = watcher::Pace { round: Duration::from_millis(300), patience: Duration::from_secs(8) };
        let disk_guard = disk_guard::Pace { round: Duration::from_millis(300), measuring: Duration::from_secs(2) };
        Bot::start_paced(settings, world, Paces { reporter, watcher, disk_guard }).await
    }

    /// Has webhooks sent to this bot from now on.
    pub(crate) fn deliver_to(&self, bot: &Bot) {
        self.github.set_webhook(WebhookTarget {
            url: format!("http://{}/webhooks/github", bot.address()),
            secret: "It's a secret".to_owned(),
        });
    }

    pub(crate) fn bot(&self) -> &Bot {
        self.bot.as_ref().unwrap()
    }

    pub(crate) async fn stop_bot(&mut self) {
        if let Some(bot) = self.bot.take() {
            bot.stop().await;
        }
    }

    /// Commits these files on a new branch and opens a pull request from it by Alice.
    pub(crate) async fn open(&self, branch: &str, files: &[(&str, Option<&str>)]) -> (u64, Sha) {
        let sha = self.repository.commit(branch, files);
        let (number, delivery) = self.github.people().open_pull(REPO, NewPull::new(ALICE, branch)).await.unwrap();
        assert!(delivery.status.is_some_and(|status| (200..300).contains(&status)), "{:?}", delivery.status);
        (number, sha)
    }

    /// Commits these files on the branch and pushes them.
    pub(crate) async fn push(&self, number: u64, branch: &str, files: &[(&str, Option<&str>)]) -> Sha {
        let sha = self.repository.commit(branch, files);
        self.github.people().push(REPO, number, None).await.unwrap();
        sha
    }

    /// Alice says something; the comment's id.
    pub(crate) async fn say(&self, number: u64, text: &str) -> u64 {
        self.say_as(ALICE, number, text).await
    }

    pub(crate) async fn say_as(&self, login: &str, number: u64, text: &str) -> u64 {
        self.github.people().comment(REPO, number, login, text).await.unwrap().0
    }

    /// Waits until the sticky comment contains `text`.
    pub(crate) async fn comment_with(&self, number: u64, text: &str) -> FakeComment {
        let looking = || async {
            let comments = self.github.bot_comments(REPO, number);
            comments.into_iter().find(|comment| comment.body.contains(text))
        };
        eventually(&format!("a comment with {text:?}"), || self.seen(number), looking).await
    }

    /// Waits until the check of a commit has ended with this conclusion; its title.
    pub(crate) async fn check_ended(&self, number: u64, sha: &Sha, conclusion: &str) -> String {
        let looking = || async {
            let checks = self.github.checks(REPO, sha.as_str());
            checks.into_iter().find(|c| c.conclusion.as_deref() == Some(conclusion)).map(|c| c.title().to_owned())
        };
        eventually(&format!("a check {conclusion}"), || self.seen(number), looking).await
    }

    /// Waits until a comment bears this reaction of the bot.
    pub(crate) async fn reaction(&self, number: u64, comment: u64, content: &str) {
        let looking =
            || async { self.github.find_comment(REPO, comment).filter(|c| c.has_reaction(content)).map(drop) };
        eventually(&format!("the reaction {content}"), || self.seen(number), looking).await;
    }

    /// Waits until no job waits or runs.
    pub(crate) async fn idle(&self) {
        let looking = || async { self.jobs().await.iter().all(|job| job.state.is_terminal()).then_some(()) };
        eventually("an idle queue", String::new, looking).await;
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        JobQueue::list(self.bot().store(), &JobFilter { limit: 1000, ..JobFilter::default() }).await.unwrap()
    }

    pub(crate) async fn environments(&self) -> Vec<Environment> {
        Environments::list(self.bot().store(), true).await.unwrap()
    }

    pub(crate) async fn environment(&self, name: &str) -> Environment {
        let all = self.environments().await;
        all.into_iter().find(|e| e.name.as_str() == name).unwrap_or_else(|| panic!("no environment {name}"))
    }

    /// The first published URL of an environment.
    pub(crate) async fn url(&self, name: &str) -> String {
        self.environment(name).await.urls.first().unwrap().1.clone()
    }

    /// The compute root of an environment.
    pub(crate) fn compute_root(&self, name: &str) -> PathBuf {
        let slugs = std::fs::read_dir(self.data.path().join("previews")).unwrap();
        let roots = slugs.map(|slug| slug.unwrap().path().join(name));
        roots.into_iter().find(|root| root.exists()).unwrap_or_else(|| self.data.path().join("previews/none"))
    }

    pub(crate) fn seen(&self, number: u64) -> String {
        let comments: Vec<String> =
            self.github.comments(REPO, number).into_iter().map(|c| format!("{}: {}", c.author, c.body)).collect();
        let requests: Vec<String> = self
            .github
            .requests()
            .iter()
            .rev()
            .take(12)
            .map(|r| format!("{} {} {}", r.status, r.method, r.path))
            .collect();
        format!("comments:\n{}\nlast requests:\n{}", comments.join("\n---\n"), requests.join("\n"))
    }
}

fn usual_settings(github: &FakeGithub, repository: &TestRepository, data: &Path) -> serde_json::Value {
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
            "app_id": github.app_id(),
            "private_key": github.private_key_pem(),
            "webhook_secret": "It's a secret",
            "api_url": github.base_url(),
            "git_url": format!("file://{}", repository.base().display()),
        },
        "local": { "public_host": "127.0.0.1", "bind": "127.0.0.1" },
        "projects": [{
            "repository": format!("github:{REPO}"),
            "mode": "local",
            "secrets": {
                "PREVIEW_SITE": format!("file:{}", site.display()),
                "PREVIEW_DATA": format!("file:{}", notes.display()),
            },
        }],
    })
}

pub(crate) fn merge(base: &mut serde_json::Value, over: serde_json::Value) {
    match (base, over) {
        (serde_json::Value::Object(base), serde_json::Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// Waits for a condition; fails with what was seen last.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    seen: impl Fn() -> String,
    mut condition: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {what}; {}", seen());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The page at a URL, and its status; `None` when nobody answers.
pub(crate) async fn get(url: &str) -> Option<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let answer = client.get(url).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.ok()?))
}

/// Processes that bear an environment variable with this value, by pid, with their command lines.
pub(crate) fn processes_with(variable: &str, value: &str) -> BTreeMap<u32, String> {
    let wanted = format!("{variable}={value}");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|b| *b == 0).any(|pair| pair == wanted.as_bytes()) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.insert(pid, String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    found
}

impl Drop for TestBot {
    /// What previews of a test that ends early left running is ended; each of these processes has its home below the
    /// test's own folder.
    fn drop(&mut self) {
        let home = format!("HOME={}/", self.data.path().display());
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let ours = environment.split(|b| *b == 0).any(|pair| pair.starts_with(home.as_bytes()));
            if let Some(pid) = rustix::process::Pid::from_raw(pid).filter(|_| ours) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}
