//! What a deploy over SSH costs: a whole bot beside an expert's shell script that does the same git, file, compose and
//! hook work on one multiplexed connection, turn by turn in one run, near and with 50 ms there and back.
//! `cargo bench --bench ssh`; without `--bench` it does nothing. Needs what `scripts/setup.sh test` makes.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/it/hosts/bench.rs"]
mod bench;
#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use support::bot::{REPO, TestBot};
use support::host::Login;
use support::host::proxy::{Fault, FaultProxy};
use support::host::sshd::Sshd;

const TURNS: usize = 7;
/// One way.
const FAR: Duration = Duration::from_millis(25);

const CONFIG: &str = r#"version: 1
name: speed
services:
  web: { path: web, env: { PORT: "{{self.port}}", GREETING: hello } }
  api: { path: api, env: { PORT: "{{self.port}}" } }
infrastructure:
  compose_file: compose.yaml
runner:
  before: echo before
  deploy: |
    . web/.env.local && mkdir -p public && cp page public/index.html
    setsid busybox httpd -f -p "$PORT" -h public >/dev/null 2>&1 &
  after: echo after
preview:
  probe: { service: web, path: /index.html, timeout: 30s }
"#;

const COMPOSE: &str = r#"services:
  cache:
    image: previewbot-test/busybox:local
    init: true
    ports: ["80"]
    healthcheck: { test: ["CMD", "true"], interval: 200ms, retries: 50 }
"#;

/// The expert's script. Its arguments: what is to happen, the commit, where the forge, the mirror and the checkout on the
/// host are, `ssh` with its options as one word, the preview's name, and its port.
const EXPERT: &str = r#"set -eu
what=$1 commit=$2 forge=$3 mirror=$4 root=$5 ssh=$6 name=$7 port=$8
git -C "$mirror" fetch -q "$forge" "+$commit:refs/heads/$name"
GIT_SSH_COMMAND=$ssh git -C "$mirror" push -q "host:$root/repo.git" "+$commit:refs/heads/$name"
$ssh host "cd $root && { [ -d $name ] || git -C repo.git worktree add -q --detach ../$name $commit; } &&
  git -C $name checkout -q --force --detach $commit"
printf 'PORT=%s\nGREETING=hello\n' "$port" | $ssh host "umask 077; cat >$root/$name/web/.env.local"
printf 'PORT=%s\n' "$((port + 1))" | $ssh host "umask 077; cat >$root/$name/api/.env.local"
$ssh host "cd $root/$name && echo before"
$ssh host "cd $root/$name && docker compose -p expert-$name config -q && docker compose --progress quiet -p expert-$name up -d --wait"
$ssh host "cd $root/$name && . web/.env.local && mkdir -p public && cp page public/index.html &&
  { setsid busybox httpd -f -p $port -h public >/dev/null 2>&1 </dev/null & }"
$ssh host "cd $root/$name && echo after"
until curl -fsS -o /dev/null "http://127.0.0.1:$port/index.html"; do sleep 0.02; done
"#;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        measure("near", None).await;
        measure("50 ms there and back", Some(FAR)).await;
    });
}

/// The expert and what is known of the host.
struct Expert {
    folder: tempfile::TempDir,
    ssh: String,
    root: PathBuf,
    port: u16,
}

impl Expert {
    fn new(login: &Login, root: PathBuf, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let ssh = format!(
            "ssh -F none -S {} -o ControlMaster=auto -o ControlPersist=600 -o BatchMode=yes -o HostName={} -o Port={} \
             -o User={} -o UserKnownHostsFile={} -o HostKeyAlias=[{}]:{} -o IdentityFile={}",
            socket.display(),
            login.address.ip(),
            login.address.port(),
            login.user,
            login.known_hosts_file().display(),
            login.address.ip(),
            login.address.port(),
            login.identity.display(),
        );
        std::fs::create_dir_all(&root).unwrap();
        for repository in [folder.path().join("mirror.git"), root.join("repo.git")] {
            let made = Command::new("git").args(["init", "-q", "--bare"]).arg(repository).status().unwrap();
            assert!(made.success());
        }
        Self { folder, ssh, root, port }
    }

    fn deploy(&self, name: &str, commit: &str, forge: &Path) -> Duration {
        let begun = Instant::now();
        let mut script = Command::new("sh");
        script.args(["-c", EXPERT, "expert", "deploy", commit]).arg(forge);
        script.arg(self.folder.path().join("mirror.git")).arg(&self.root).arg(&self.ssh);
        let output = script.args([name, &self.port.to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        begun.elapsed()
    }

    fn destroy(&self, name: &str) {
        let script = format!(
            "docker compose -p expert-{name} down -v -t 0; pkill -f '[h]ttpd -f -p {}'; \
             git -C {root}/repo.git worktree remove --force ../{name}; :",
            self.port,
            root = self.root.display()
        );
        assert!(Command::new("sh").args(["-c", &script]).output().unwrap().status.success());
    }
}

impl Drop for Expert {
    fn drop(&mut self) {
        let end = format!("{} -O exit host", self.ssh);
        let _ = Command::new("sh").args(["-c", &end]).output();
    }
}

/// How long the last deploy took, from its claim to its end.
async fn took(bot: &TestBot) -> Duration {
    bot.idle().await;
    let jobs = bot.jobs().await;
    let deploys = jobs.iter().filter(|job| job.work.kind() == "deploy");
    let job = deploys.max_by_key(|job| job.id.0).unwrap();
    Duration::from_millis(u64::try_from(job.finished_at.unwrap() - job.started_at.unwrap()).unwrap())
}

#[derive(Default)]
struct Times {
    bot: Vec<Duration>,
    expert: Vec<Duration>,
}

impl Times {
    fn print(mut self, what: &str) {
        self.bot.sort_unstable();
        self.expert.sort_unstable();
        let (bot, expert) = (self.bot[self.bot.len() / 2], self.expert[self.expert.len() / 2]);
        let ratio = bot.as_secs_f64() / expert.as_secs_f64();
        println!("  {what:<22} bot {bot:>9.2?}  expert {expert:>9.2?}  ratio {ratio:.2}");
    }
}

async fn measure(how: &str, delay: Option<Duration>) {
    let sshd = Sshd::start().await;
    let mut proxy = FaultProxy::start(sshd.login().address);
    let login = sshd.login().through(proxy.address());
    let files = [
        ("previewctl.yaml", CONFIG),
        ("compose.yaml", COMPOSE),
        ("page", "one\n"),
        ("web/README", ""),
        ("api/README", ""),
    ];
    let root = sshd.home().join("previews").to_string_lossy().into_owned();
    let bot = TestBot::with(bench::setup(&files, &[bench::host("vm-1", &login, &root)])).await;
    let expert = Expert::new(&login, sshd.home().join("expert"), 27_411);
    let forge = bot.repository.bare(REPO);
    // Both have a connection before anything is measured.
    let sha = bot.repository.commit("warm", &[]);
    expert.deploy("warm", sha.as_str(), &forge);
    expert.destroy("warm");
    let (warm, warm_sha) = bot.open("warm", &[]).await;
    bot.check_ended(warm, &warm_sha, "success").await;
    bot.github.people().close(REPO, warm, "alice").await.unwrap();
    bot.idle().await;
    if let Some(delay) = delay {
        proxy.set(Fault::Delay(delay)).await;
    }
    let (mut first, mut push, mut same) = (Times::default(), Times::default(), Times::default());
    let dialled = sshd.handshakes();
    let asked = || bot.bot().requests_of("vm-1").unwrap();
    // Of a new preview, a push to it, and an unchanged redeploy.
    let mut requests = [Vec::new(), Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        let name = format!("turn-{turn}");
        let before = asked();
        let (number, sha) = bot.open(&name, &[]).await;
        bot.check_ended(number, &sha, "success").await;
        first.bot.push(took(&bot).await);
        first.expert.push(expert.deploy(&name, sha.as_str(), &forge));

        requests[0].push(asked() - before);

        let before = asked();
        let sha = bot.push(number, &name, &[("page", Some(&format!("{turn}\n")))]).await;
        bot.check_ended(number, &sha, "success").await;
        push.bot.push(took(&bot).await);
        push.expert.push(expert.deploy(&name, sha.as_str(), &forge));
        requests[1].push(asked() - before);

        let before = asked();
        let comment = bot.say(number, "/preview deploy").await;
        bot.reaction(number, comment, "rocket").await;
        same.bot.push(took(&bot).await);
        requests[2].push(asked() - before);
        same.expert.push(expert.deploy(&name, sha.as_str(), &forge));

        bot.github.people().close(REPO, number, "alice").await.unwrap();
        bot.comment_with(number, "destroyed").await;
        bot.idle().await;
        expert.destroy(&name);
    }
    println!("{how}, median of {TURNS}");
    first.print("a new preview");
    push.print("a push to it");
    same.print("an unchanged redeploy");
    println!(
        "  handshakes meanwhile {}, requests of a new preview {:?}, a push {:?}, an unchanged redeploy {:?}",
        sshd.handshakes() - dialled,
        requests[0],
        requests[1],
        requests[2]
    );
}
