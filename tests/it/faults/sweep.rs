//! A whole deploy with its connection cut all over: code is pushed, infrastructure started and hooks run, each once.

use std::process::Command;
use std::time::SystemTime;

use crate::hosts::bench::{host, setup};
use crate::support::bot::TestBot;
use crate::support::host::proxy::{Cut, Fault, FaultProxy};
use crate::support::host::sshd::Sshd;

use super::bench::{cuts, tortures};

/// Every hook says when it runs.
const CONFIG: &str = r#"version: 1
name: sweep
services:
  web: { path: web, env: { PORT: "{{self.port}}" } }
  api: { path: api, env: { CACHE: "{{infrastructure.cache.port}}" } }
infrastructure:
  compose_file: compose.yaml
runner:
  before: echo before >>log
  deploy: |
    echo deploy >>log
    test -s web/.env.local && test -s api/.env.local && test "$(cat page)" = "page of $PREVIEWCTL_ENV_NAME"
    . web/.env.local && mkdir -p public && cp page public/index.html
    setsid busybox httpd -f -p "$PORT" -h public >/dev/null 2>&1 &
  after: echo after >>log
preview:
  probe: { service: web, path: /index.html, timeout: 30s }
"#;

const COMPOSE: &str = r#"services:
  cache:
    image: previewbot-test/busybox:local
    init: true
    ports: ["80"]
"#;

struct Sweep {
    sshd: Sshd,
    proxy: FaultProxy,
    bot: TestBot,
    turn: usize,
    /// Seconds since 1970.
    began: u64,
}

impl Sweep {
    async fn new() -> Self {
        let sshd = Sshd::start().await;
        let proxy = FaultProxy::start(sshd.login().address);
        let login = sshd.login().through(proxy.address());
        let files =
            [("previewctl.yaml", CONFIG), ("compose.yaml", COMPOSE), ("web/README", ""), ("api/README", "")];
        let root = sshd.home().join("previews");
        let bot = TestBot::with(setup(&files, &[host("vm-1", &login, &root.to_string_lossy())])).await;
        Self { sshd, proxy, bot, turn: 0, began: SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() }
    }

    /// Deploys a new preview and looks at what became of it; how many bytes it took there and back.
    async fn deploy(&mut self, cut: Option<Cut>) -> (usize, usize) {
        self.turn += 1;
        let (name, before) = (format!("pr-{}", self.turn), self.proxy.carried());
        if let Some(cut) = cut {
            self.proxy.cut(cut);
        }
        let page = format!("page of {name}\n");
        let (number, sha) = self.bot.open(&name, &[("page", Some(&page))]).await;
        self.bot.check_ended(number, &sha, "success").await;
        self.bot.idle().await;
        let after = self.proxy.carried();
        let root = self.sshd.home().join("previews/sweep").join(&name);
        let log = std::fs::read_to_string(root.join("log")).unwrap();
        assert_eq!(log, "before\ndeploy\nafter\n", "each hook ran once");
        assert_eq!(containers_made(&format!("sweep-{name}"), self.began), 1, "its container was made once");
        let jobs = self.bot.jobs().await;
        let mut own = jobs.iter().filter(|job| job.environment.as_deref() == Some(&name));
        assert!(own.all(|job| job.attempt <= 1), "it went on by itself: {jobs:?}");
        self.bot.github.people().close("acme/shop", number, "alice").await.unwrap();
        self.bot.comment_with(number, "destroyed").await;
        self.bot.idle().await;
        assert!(!root.exists());
        (after.0 - before.0, after.1 - before.1)
    }
}

/// How often docker made a container of this compose project since then.
fn containers_made(project: &str, since: u64) -> usize {
    let mut docker = Command::new("docker");
    docker.args(["events", "--since", &since.to_string(), "--until", "0s"]);
    docker.args(["--filter", "type=container", "--filter", "event=create"]);
    docker.args(["--filter", &format!("label=com.docker.compose.project={project}")]);
    let output = docker.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_whose_connection_is_cut_anywhere_ends_as_any_other() {
    let mut sweep = Sweep::new().await;
    sweep.deploy(None).await;
    let bytes = sweep.deploy(None).await;
    let (resets, half_closes) = if tortures() { (60, 30) } else { (2, 1) };
    for cut in [cuts(bytes, Fault::Reset, resets), cuts(bytes, Fault::HalfClose, half_closes)].concat() {
        eprintln!("a deploy of {bytes:?} bytes: {cut:?}");
        sweep.deploy(Some(cut)).await;
        assert!(sweep.proxy.has_cut(), "{cut:?} came too late");
    }
}
