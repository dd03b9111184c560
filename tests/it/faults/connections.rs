//! The one connection to a host: shared by many, lost, made again, and gone with the bot.

use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::hosts::bench::{host, setup};
use crate::support::bot::{Setup, TestBot, deploy_only, eventually};
use crate::support::host::sshd::Sshd;
use crate::support::process::Served;

/// More than an sshd with `MaxSessions 10` takes at once.
const MANY: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn more_deploys_at_once_than_sessions_are_all_served() {
    let sshd = Sshd::with(&["MaxSessions 10"]).await;
    let root = sshd.home().join("previews");
    let config = deploy_only("echo deployed >>log; sleep 1");
    let login = sshd.login();
    let Setup { files, mut settings } =
        setup(&[("previewctl.yaml", &config)], &[host("vm-1", login, &root.to_string_lossy())]);
    settings["worker"] = json!({ "concurrency": MANY });
    settings["hosts"][0]["capacity"] = json!(MANY);
    settings["limits"] = json!({ "environments_per_project": MANY });
    let bot = TestBot::with(Setup { files, settings }).await;
    let mut opened = Vec::new();
    for at in 0..MANY {
        opened.push(bot.open(&format!("branch-{at}"), &[]).await);
    }
    for (number, sha) in &opened {
        bot.check_ended(*number, sha, "success").await;
        let log = std::fs::read_to_string(root.join(format!("shop/pr-{number}/log"))).unwrap();
        assert_eq!(log, "deployed\n");
    }
    let refusals: Vec<String> = sshd.log().lines().filter(|line| is_refusal(line)).map(str::to_owned).collect();
    assert!(refusals.is_empty(), "{refusals:?}");
    assert_eq!(sshd.handshakes(), 1);
}

/// As sshd says it when a session is one too many.
fn is_refusal(line: &str) -> bool {
    line.contains("no more sessions")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_session_is_seen_in_the_log() {
    let sshd = Sshd::with(&["MaxSessions 0"]).await;
    assert!(!sshd.login().run("true").await.status.success());
    assert!(sshd.log().lines().any(is_refusal), "else the test before this one proves nothing: {}", sshd.log());
}

/// A bot as a process of its own whose connections' folders are apart from all others.
struct Connected {
    served: Served,
    sshd: Sshd,
    folder: TempDir,
}

impl Connected {
    async fn start() -> Self {
        let (sshd, folder) = (Sshd::start().await, tempfile::tempdir().unwrap());
        let login = sshd.login();
        let settings = format!(
            "[[hosts]]\nname = \"vm-1\"\naddress = {:?}\nport = {}\nuser = {:?}\nidentity_file = \"{}\"\n\
             known_hosts_file = \"{}\"\nroot = \"{}\"\n",
            login.address.ip().to_string(),
            login.address.port(),
            login.user,
            login.identity.display(),
            login.known_hosts_file().display(),
            sshd.home().join("previews").display(),
        );
        let served = Served::prepare(Setup::default(), &settings).await;
        let mut this = Self { served, sshd, folder };
        this.serve().await;
        this
    }

    async fn serve(&mut self) {
        let mut command = self.served.command(&["serve", "--config", "previewbot.toml"]);
        command.env("TMPDIR", self.folder.path());
        self.served.serve_with(command).await;
    }

    /// Waits until somebody has logged in so many times.
    async fn logged_in(&self, times: usize) {
        let looking = || async { (self.sshd.handshakes() >= times).then_some(()) };
        eventually(&format!("login {times}"), || self.served.log(), looking).await;
    }

    /// The processes that keep connections. One that has not gone to the background yet, and so will be another one, is
    /// not among them, nor is its child.
    fn masters(&self) -> Vec<i32> {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let is_ssh = |pid: &str| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with("ssh") && line.contains(&folder)
        };
        let is_settled = |pid: &str| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let parent =
                status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap_or_default().trim().to_owned();
            !is_ssh(&parent) && self.served.running() != parent.parse().ok()
        };
        let names = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
        let pids = names.filter_map(|name| name.to_str().map(str::to_owned));
        pids.filter(|pid| is_ssh(pid) && is_settled(pid)).filter_map(|pid| pid.parse().ok()).collect()
    }

    /// The folders of control sockets.
    fn folders(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits until one process and one folder are there, other ones than these.
    async fn one_other_than(&self, master: i32) -> i32 {
        let looking = || async {
            let masters = self.masters();
            (masters.len() == 1 && masters[0] != master && self.folders().len() == 1).then(|| masters[0])
        };
        let seen = || format!("{:?} {:?} {}", self.masters(), self.folders(), self.served.log());
        eventually("one connection", seen, looking).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_is_made_again_and_none_outlives_its_bot() {
    let mut connected = Connected::start().await;
    connected.logged_in(1).await;
    let first = connected.one_other_than(0).await;

    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    connected.logged_in(2).await;
    let second = connected.one_other_than(first).await;

    connected.served.kill();
    assert_eq!(connected.masters(), [second], "nobody was left to end it");
    connected.serve().await;
    connected.logged_in(3).await;
    connected.one_other_than(second).await;

    connected.served.signal(Signal::TERM);
    connected.served.ended().await;
    let gone = || async { (connected.masters().is_empty() && connected.folders().is_empty()).then_some(()) };
    eventually("no connection", || format!("{:?} {:?}", connected.masters(), connected.folders()), gone).await;
}
