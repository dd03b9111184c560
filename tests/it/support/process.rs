//! The real binary, `previewbot serve`, as a process of its own: it can be killed. The stand-in for GitHub and the
//! repositories live in the test's process and survive it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;

use previewbot::demo::fake_github::WebhookTarget;
use previewbot::domain::change::Sha;
use previewbot::domain::environment::Environment;
use previewbot::domain::event::DeliveryId;
use previewbot::domain::job::{Claim, Job, JobId};
use previewbot::domain::ports::{Assessments as _, Environments, JobFilter, JobQueue, PortLeases as _};
use previewbot::outbound::clock::{OsRandom, SystemClock};
use previewbot::outbound::store::{Location, OpenOptions, Serving, Store, StoredLeases};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::bot::{REPO, Setup, TestBot, eventually};

pub(crate) const WEBHOOK_SECRET: &str = "It's a secret";

/// A bot that runs as a process, and the world around it.
pub(crate) struct Served {
    pub(crate) world: TestBot,
    /// Settings, secrets, logs, and the marks that hooks leave.
    folder: TempDir,
    child: Option<Child>,
    starts: usize,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
        self.kill_hooks();
    }
}

impl Served {
    /// Everything but the process; `settings` is TOML that is put before the usual sections.
    pub(crate) async fn prepare(setup: Setup, settings: &str) -> Self {
        let world = TestBot::without_bot(setup).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        std::fs::create_dir(folder.path().join("marks")).unwrap();
        std::fs::set_permissions(folder.path().join("marks"), std::fs::Permissions::from_mode(0o777)).unwrap();
        let this = Self { world, folder, child: None, starts: 0, address: String::new() };
        std::fs::write(this.path("github-app.pem"), this.world.github.private_key_pem()).unwrap();
        std::fs::write(this.path("github-webhook-secret"), format!("{WEBHOOK_SECRET}\n")).unwrap();
        std::fs::write(this.path("previewbot.toml"), this.toml(settings)).unwrap();
        this
    }

    /// A serving bot with the sample repository.
    pub(crate) async fn start() -> Self {
        let mut this = Self::prepare(Setup::default(), "").await;
        this.serve().await;
        this
    }

    fn toml(&self, extra: &str) -> String {
        let settings = self.world.settings();
        let text = |pointer: &str| settings.pointer(pointer).and_then(|value| value.as_str()).unwrap();
        format!(
            "data_dir = {data_dir:?}\npublic_url = \"http://bot.example\"\n\n{extra}\n\n\
             [server]\nlisten = \"127.0.0.1:0\"\n\n[database]\nurl = {database:?}\n\n\
             [github]\napp_id = {app_id}\nprivate_key_file = \"github-app.pem\"\n\
             webhook_secret_file = \"github-webhook-secret\"\napi_url = {api_url:?}\ngit_url = {git_url:?}\n\n\
             [[projects]]\nrepository = \"github:{REPO}\"\nmode = \"local\"\n\
             secrets = {{ PREVIEW_SITE = {site:?}, PREVIEW_DATA = {data:?} }}\n",
            data_dir = text("/data_dir"),
            database = text("/database/url"),
            app_id = self.world.github.app_id(),
            api_url = text("/github/api_url"),
            git_url = text("/github/git_url"),
            site = text("/projects/0/secrets/PREVIEW_SITE"),
            data = text("/projects/0/secrets/PREVIEW_DATA"),
        )
    }

    /// A file beside the settings.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that hooks may write whoever they run as.
    pub(crate) fn mark(&self, name: &str) -> PathBuf {
        self.path("marks").join(name)
    }

    /// The text of a mark; empty while there is none.
    pub(crate) fn marked(&self, name: &str) -> String {
        std::fs::read_to_string(self.mark(name)).unwrap_or_default()
    }

    /// Waits until a mark contains this text.
    pub(crate) async fn until_marked(&self, name: &str, text: &str) {
        let looking = || async { self.marked(name).contains(text).then_some(()) };
        eventually(&format!("{text:?} in the mark {name}"), || self.log(), looking).await;
    }

    /// Everything that the present process logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path(&format!("log-{}", self.starts))).unwrap_or_default()
    }

    /// Waits until the present process has logged this.
    pub(crate) async fn until_logged(&self, text: &str) {
        eventually(
            &format!("{text:?} in the log"),
            || self.log(),
            || async { self.log().contains(text).then_some(()) },
        )
        .await;
    }

    /// The binary with these arguments, and none of the settings of whoever runs the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_previewbot"));
        for (name, _) in std::env::vars() {
            if name.starts_with("PREVIEWBOT") {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(self.folder.path()).env("RUST_LOG", "info").env("COLUMNS", "100");
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command of the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts `serve` with the settings file and waits until it serves.
    pub(crate) async fn serve(&mut self) {
        let command = self.command(&["serve", "--config", "previewbot.toml"]);
        self.serve_with(command).await;
    }

    /// The same with another command line or environment.
    pub(crate) async fn serve_with(&mut self, mut command: Command) {
        assert!(self.child.is_none(), "it serves already");
        self.starts += 1;
        let log = std::fs::File::create(self.path(&format!("log-{}", self.starts))).unwrap();
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let address = || async {
            let log = self.log();
            let (_, rest) = log.split_once("previewbot serves address=")?;
            rest.split_once('\n').map(|(address, _)| address.trim().to_owned())
        };
        self.address = eventually("the bot to serve", || self.log(), address).await;
        let url = format!("http://{}/webhooks/github", self.address);
        self.world.github.set_webhook(WebhookTarget { url, secret: WEBHOOK_SECRET.to_owned() });
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The process, while there is one.
    pub(crate) fn running(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = std::cell::RefCell::new(self.child.take().unwrap());
        let ended = || async { child.borrow_mut().try_wait().unwrap() };
        eventually("the process to end", || self.log(), ended).await
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills what hooks started, as a crash of the machine would.
    pub(crate) fn kill_hooks(&self) {
        for pid in self.hook_processes().keys() {
            let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Kills the hooks that are under way, and lets the daemons of those that ended live on.
    pub(crate) fn kill_unfinished_hooks(&self) {
        for (pid, line) in self.hook_processes() {
            if line.contains("previewbot-supervisor") {
                let group = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
    }

    /// Everything that hooks of any preview of this bot started, by pid, with its command line.
    pub(crate) fn hook_processes(&self) -> BTreeMap<u32, String> {
        let home = format!("HOME={}", self.world.data.path().join("previews/.previewbot").display());
        processes(|environment| environment.split(|b| *b == 0).any(|pair| pair.starts_with(home.as_bytes())))
    }

    /// The store, opened beside the serving process as commands do.
    pub(crate) async fn store(&self) -> Store {
        let path = self.world.data.path().join("previewbot.db");
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        Store::open(OpenOptions { location: Location::File(path), serving: Serving::No, clock, random, ttl_ms: 0 })
            .await
            .unwrap()
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        let filter = JobFilter { limit: 1000, ..JobFilter::default() };
        JobQueue::list(&self.store().await, &filter).await.unwrap()
    }

    pub(crate) async fn environments(&self) -> Vec<Environment> {
        Environments::list(&self.store().await, true).await.unwrap()
    }

    /// Waits until nothing waits or runs.
    pub(crate) async fn idle(&self) {
        let store = self.store().await;
        let filter = JobFilter { limit: 1000, ..JobFilter::default() };
        let looking = || async {
            let jobs = JobQueue::list(&store, &filter).await.unwrap();
            jobs.iter().all(|job| job.state.is_terminal()).then_some(())
        };
        eventually("an idle queue", || self.log(), looking).await;
    }

    /// Waits until a preview of this commit is ready, whether the forge shows it yet or not.
    pub(crate) async fn runs(&self, sha: &Sha) {
        let store = self.store().await;
        let looking = || async {
            let all = Environments::list(&store, true).await.unwrap();
            all.iter().any(|environment| environment.published.as_ref() == Some(sha)).then_some(())
        };
        eventually(&format!("a preview of {sha}"), || self.log(), looking).await;
        self.idle().await;
    }

    /// What must hold whenever the bot has come to rest, whatever happened to it before.
    pub(crate) async fn assert_sound(&self) {
        let github = &self.world.github;
        let store = self.store().await;
        for delivery in github.deliveries().iter().filter(|d| d.status.is_some_and(|s| (200..300).contains(&s))) {
            let stored = store.delivery(&DeliveryId(delivery.guid.clone())).await.unwrap();
            let outcome = stored.and_then(|stored| stored.outcome);
            assert!(outcome.is_some(), "acknowledged and forgotten: {} {}", delivery.event, delivery.guid);
        }
        let mut lives = 0;
        for environment in self.environments().await {
            let number = environment.number.0;
            let pull = github.pull(REPO, number).unwrap();
            assert!(self.sticky_comments(number) <= 1, "one sticky comment: {:?}", github.comments(REPO, number));
            assert!(github.checks(REPO, &pull.head_sha).len() <= 1, "one check for a head");
            let deployments = github.deployments(REPO, &format!("preview/{}", environment.name));
            let live = deployments.iter().filter(|d| d.state() != "inactive").count();
            if pull.open {
                lives += 1;
                assert_eq!(self.sticky_comments(number), 1, "the change is told");
                assert_eq!(github.checks(REPO, &pull.head_sha).len(), 1, "the head has its check");
                assert!(environment.entry.is_some(), "an open change has its preview");
                assert_eq!(environment.published.as_ref().map(ToString::to_string), Some(pull.head_sha));
                assert!(live <= 1, "one live deployment: {deployments:?}");
            } else {
                assert!(environment.entry.is_none(), "a closed change has no preview");
                assert_eq!(live, 0, "no live deployment of a closed change: {deployments:?}");
                let leases = StoredLeases::new(store.clone(), nobodys_claim()).leases("local").await.unwrap();
                assert!(leases.iter().all(|(_, id, _)| *id != environment.id), "leased ports: {leases:?}");
            }
        }
        if lives == 0 {
            self.assert_nothing_left();
        }
        assert_eq!(github.unexpected_requests(), []);
    }

    /// What must hold once every preview is destroyed.
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.hook_processes(), BTreeMap::new(), "no process is left");
        assert_eq!(self.left_behind(), Vec::<PathBuf>::new(), "no folder is left");
    }

    /// How many comments bear the sticky one's marker.
    pub(crate) fn sticky_comments(&self, number: u64) -> usize {
        let comments = self.world.github.bot_comments(REPO, number);
        comments
            .iter()
            .filter(|comment| comment.body.starts_with(&format!("<!-- previewbot:5001/{number} -->")))
            .count()
    }

    /// Folders of previews: checkouts, control checkouts, what the supervisor keeps.
    fn left_behind(&self) -> Vec<PathBuf> {
        let below = |folder: PathBuf| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect()
        };
        let data = self.world.data.path();
        let slugs = below(data.join("previews")).into_iter().chain(below(data.join("control")));
        slugs.flat_map(below).collect()
    }
}

/// Processes by what their environment says, by pid, with their command lines.
pub(crate) fn processes(chosen: impl Fn(&[u8]) -> bool) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if std::fs::read(entry.path().join("environ")).is_ok_and(|environment| chosen(&environment)) {
            found.insert(pid, command_line(&entry.path()));
        }
    }
    found
}

fn command_line(process: &Path) -> String {
    let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Reading needs no claim.
const fn nobodys_claim() -> Claim {
    Claim { job: JobId(0), environment: None, epoch: 0, owner: String::new(), attempt: 0, claims: 0 }
}
