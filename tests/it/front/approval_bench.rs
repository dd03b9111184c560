//! A bot with a sandbox beside its own machine, and changes of people whom nobody knows.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use previewbot::demo::fake_github::{NewPull, RepositorySpec};
use previewbot::domain::change::Sha;
use previewbot::domain::environment::Environment;
use previewbot::domain::ports::Clock as _;
use previewbot::domain::trust::Trust;
use previewbot::outbound::clock::SystemClock;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::hosts::bench::host;
use crate::support::bot::{ALICE, REPO, Setup, TestBot, eventually, merge};
use crate::support::host::vm::Vm;
use crate::support::repository::git_ok;

pub(super) const FORK: &str = "mallory/shop";
pub(super) const MALLORY: &str = "mallory";
/// A secret of the project.
const SECRET: &str = "correct-horse-battery";

/// The base branch's configuration and hooks: the seed runs on the bot's machine, the deploy on the environment's.
const FILES: &[(&str, &str)] = &[
    ("previewctl.yaml", CONFIG),
    ("seed.sh", "#!/bin/sh\necho \"NOTES=base-$STRIPE_KEY-\"\n"),
    ("deploy.sh", DEPLOY),
    ("page", "base\n"),
];
const CONFIG: &str = r#"version: 1
name: shop
services:
  web: { path: ., env: { PORT: "{{self.port}}", NOTES: "{{provisioner.db.NOTES}}", KEY: "<{{secrets.STRIPE_KEY}}>" } }
provisioner:
  services:
    db: { outputs: [NOTES], seed: ./seed.sh, reset: "echo NOTES=reset-$STRIPE_KEY-", destroy: "true" }
runner:
  deploy: ./deploy.sh
preview:
  probe: { service: web, path: /index.html, timeout: 30s }
"#;
const DEPLOY: &str = r#"#!/bin/sh
. ./.env.local
{ cat page; echo "notes=<$NOTES> template=$KEY key=<$STRIPE_KEY>"; } >out
mkdir -p public && cp page public/index.html
setsid busybox httpd -f -p "$PORT" -h public >/dev/null 2>&1 &
"#;

/// What a stranger changes: code, which is to run, and configuration and hooks, which are not.
pub(super) const STRANGE: &[(&str, Option<&str>)] = &[
    ("page", Some("strange\n")),
    ("seed.sh", Some("#!/bin/sh\ntouch evil; echo NOTES=evil\n")),
    (
        "previewctl.yaml",
        Some("version: 1\nname: evil\nprovisioner: {before: touch evil}\nrunner: {deploy: touch evil}\n"),
    ),
];

/// A host that holds untrusted code, as far as the bot can see.
async fn vm() -> &'static Vm {
    static VM: OnceCell<Vm> = OnceCell::const_new();
    let start = || async {
        let vm = Vm::start("approvals").await;
        vm.load_image("previewbot-test/busybox:local").await;
        let copy = "docker run --rm -v /usr/local/bin:/there previewbot-test/busybox:local busybox cp /bin/busybox /there/";
        vm.says(&["sh", "-c", copy]).await;
        vm.says(&["sh", "-c", "mkdir -p /run/previewbot && echo rules >/run/previewbot/egress"]).await;
        vm
    };
    VM.get_or_init(start).await
}

pub(super) struct Bench {
    pub(super) bot: TestBot,
    pub(super) vm: &'static Vm,
    root: String,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With changes to the project's settings, which has its own previews on the bot's machine.
    pub(super) async fn with(changes: Value) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let vm = vm().await;
        let root = format!("/srv/approvals-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        vm.says(&["install", "-d", "-o", "preview", &root]).await;
        let mut sandbox = host("vm-1", &vm.direct_login().await, &root);
        sandbox["labels"] = json!(["sandbox"]);
        let secret = Path::new(env!("CARGO_TARGET_TMPDIR")).join("secret-of-approvals");
        std::fs::write(&secret, SECRET).unwrap();
        let mut project = json!({
            "repository": format!("github:{REPO}"),
            "mode": "local",
            "secrets": { "STRIPE_KEY": format!("file:{}", secret.display()) },
        });
        merge(&mut project, changes);
        let files = FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let settings = json!({ "hosts": [sandbox], "projects": [project] });
        let bot = TestBot::with(Setup { files, settings }).await;
        let fork = RepositorySpec::new(FORK, 6001).forked_from(5001);
        bot.github.add_repository(fork.with_git(&bot.repository.bare(REPO)));
        Self { bot, vm, root }
    }

    /// Mallory's change from the fork.
    pub(super) async fn open(&self, branch: &str) -> (u64, Sha) {
        let sha = self.bot.repository.commit(branch, STRANGE);
        let mut new = NewPull::new(MALLORY, branch);
        new.head_repository = Some(FORK.to_owned());
        let (number, _) = self.bot.github.people().open_pull(REPO, new).await.unwrap();
        self.waits(number, &sha).await;
        (number, sha)
    }

    /// Waits until the change says that this commit waits for approval.
    pub(super) async fn waits(&self, number: u64, sha: &Sha) {
        self.bot.check_ended(number, sha, "action_required").await;
        self.bot.comment_with(number, &format!("/preview approve {sha}")).await;
    }

    /// Waits until an order that names no commit can mean this one: the forge tells times in whole seconds.
    pub(super) async fn was_shown(&self, number: u64, sha: &Sha) {
        let comment = self.bot.comment_with(number, &format!("/preview approve {sha}")).await;
        let shown: jiff::Timestamp = comment.updated_at.parse().unwrap();
        let passed = || async { (SystemClock.now().as_second() > shown.as_second()).then_some(()) };
        eventually("the next second", String::new, passed).await;
    }

    pub(super) async fn says_and_is_told(&self, login: &str, number: u64, text: &str, reaction: &str) {
        let comment = self.bot.say_as(login, number, text).await;
        self.bot.reaction(number, comment, reaction).await;
    }

    /// Alice lets a commit run, which then does.
    pub(super) async fn approve(&self, number: u64, sha: &Sha) {
        self.says_and_is_told(ALICE, number, &format!("/preview approve {sha}"), "rocket").await;
        self.bot.check_ended(number, sha, "success").await;
    }

    /// What the deploy hook wrote on the host.
    pub(super) async fn output(&self, name: &str) -> String {
        self.vm.says(&["cat", &format!("{}/shop/{name}/out", self.root)]).await
    }

    /// Whether the commit is in the bot's mirror, or on the host.
    pub(super) async fn has(&self, sha: &Sha) -> bool {
        let object = format!("{sha}^{{commit}}");
        let look = ["cat-file", "-e", &object];
        if self.mirrors().iter().any(|mirror| git_ok(mirror, &look)) {
            return true;
        }
        let there = format!("{}/shop/repo.git", self.root);
        let all = [&["git", "-c", "safe.directory=*", "--git-dir", &there], &look[..]].concat();
        self.vm.exec(&all).await.status.success()
    }

    fn mirrors(&self) -> Vec<PathBuf> {
        super::tools::everything_in(&self.bot.data.path().join("mirrors"))
            .into_iter()
            .filter(|path| path.join("objects").is_dir())
            .collect()
    }

    /// Nothing of the commit came anywhere, and nothing of the environment is.
    pub(super) async fn nothing_ran(&self, name: &str, sha: &Sha) {
        self.bot.idle().await;
        let environment = self.bot.environment(name).await;
        assert!(environment.entry.is_none() && environment.published.is_none(), "{environment:?}");
        assert!(!self.has(sha).await, "{sha} was fetched");
        self.no_evil().await;
    }

    /// Neither here nor on the host did a stranger's hook run.
    pub(super) async fn no_evil(&self) {
        let here = super::tools::everything_in(self.bot.data.path());
        assert!(here.iter().all(|path| path.file_name().is_none_or(|name| name != "evil")), "{here:?}");
        assert_eq!(self.vm.says(&["find", &self.root, "-name", "evil"]).await, "");
    }

    /// The environment runs this commit as a stranger's: in the sandbox, with the base's hooks, without secrets.
    pub(super) async fn runs_untrusted(&self, name: &str, sha: &Sha) -> Environment {
        let environment = self.bot.environment(name).await;
        assert_eq!(environment.published.as_ref(), Some(sha));
        assert_eq!(environment.host.as_deref(), Some("vm-1"));
        assert_eq!((environment.trust, environment.life_trust), (Trust::Untrusted, Some(Trust::Untrusted)));
        let output = self.output(name).await;
        assert!(output.starts_with("strange\n"), "the code is the change's: {output}");
        assert!(!output.contains(SECRET) && output.contains("template=<> key=<>"), "{output}");
        assert!(!self.bot.data.path().join("previews/shop").join(name).exists(), "nothing lives here");
        self.no_evil().await;
        environment
    }

    /// Waits until nothing of the environment is.
    pub(super) async fn gone(&self, name: &str) {
        let looking = || async {
            let environment = self.bot.environment(name).await;
            (environment.entry.is_none() && environment.host.is_none()).then_some(())
        };
        eventually(&format!("the end of {name}"), String::new, looking).await;
        self.bot.idle().await;
        assert!(!self.vm.exec(&["test", "-e", &format!("{}/shop/{name}", self.root)]).await.status.success());
    }
}
