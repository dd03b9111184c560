//! A throw-away sshd on 127.0.0.1 that lets in whoever runs the tests.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::port::Port;
use super::{Login, make_key};
use crate::support::bot::eventually;
use crate::support::process::processes;

const PROGRAM: &str = "/usr/sbin/sshd";

/// A running sshd. Commands run on this machine, as the user of the tests and in that user's home, but `HOME` is a
/// folder of their own. It ends with all that was started through it.
pub(crate) struct Sshd {
    folder: TempDir,
    login: Login,
    daemon: Option<Child>,
    /// Kept while the daemon is stopped, so that it can come back.
    _port: Port,
}

impl Sshd {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these lines of `sshd_config`, such as `MaxSessions 1` or `ForceCommand false`, before the usual ones.
    pub(crate) async fn with(knobs: &[&str]) -> Self {
        assert!(Path::new(PROGRAM).exists(), "this test needs sshd: run `make test`, or scripts/setup.sh test");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        let port = Port::reserve();
        let host_key = make_key(&folder.path().join("host"));
        let identity = folder.path().join("id");
        std::fs::write(folder.path().join("authorized_keys"), make_key(&identity)).unwrap();
        let user = rustix::process::geteuid();
        let login = Login { address: port.address(), user: user_name(user.as_raw()), identity, host_key };
        std::fs::write(folder.path().join("sshd_config"), configuration(&login, folder.path(), knobs)).unwrap();
        if user.is_root() {
            // Where root's sshd locks up its unprivileged half; at a usual start the service manager makes it.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut this = Self { folder, login, daemon: None, _port: port };
        this.resume().await;
        this
    }

    pub(crate) const fn login(&self) -> &Login {
        &self.login
    }

    /// `HOME` of whoever logs in; what has its own home in here is ended with the host as well.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Everything that the daemon logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// How many connections came in.
    pub(crate) fn connections(&self) -> usize {
        self.count("Connection from ")
    }

    /// How many connections somebody logged in by: each is one handshake.
    pub(crate) fn handshakes(&self) -> usize {
        self.count("Accepted publickey for ")
    }

    /// How many commands, shells and subsystems were begun over all connections.
    pub(crate) fn sessions(&self) -> usize {
        self.count("Starting session: ")
    }

    fn count(&self, what: &str) -> usize {
        self.log().lines().filter(|line| line.starts_with(what)).count()
    }

    /// Ends all connections and what was started through them; new ones are served.
    pub(crate) fn end_sessions(&self) {
        if let Some(daemon) = &self.daemon {
            // A daemon that stands still begins nothing while the rest is looked for.
            let daemon = Pid::from_child(daemon);
            kill_process(daemon, Signal::STOP).unwrap();
            self.end_descendants(daemon);
            kill_process(daemon, Signal::CONT).unwrap();
        }
    }

    fn end_descendants(&self, daemon: Pid) {
        loop {
            let mut doomed = descendants(daemon.as_raw_nonzero().get());
            doomed.extend(self.started());
            if doomed.is_empty() {
                return;
            }
            for pid in doomed {
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What sessions started, also where its session is long over.
    fn started(&self) -> impl Iterator<Item = i32> {
        let (mark, home) = (mark(self.folder.path()), format!("HOME={}/", self.folder.path().display()));
        let ours = |pair: &[u8]| pair == mark.as_bytes() || pair.starts_with(home.as_bytes());
        let found = processes(|environment| environment.split(|b| *b == 0).any(ours));
        found.into_keys().map(|pid| i32::try_from(pid).unwrap())
    }

    /// Ends the daemon and everything begun through it; its port refuses.
    pub(crate) fn stop(&mut self) {
        self.end_sessions();
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Kills the daemon and what serves its sessions, and starts it again. What sessions began lives on where it can do
    /// without them, as at an upgrade of sshd that goes wrong.
    pub(crate) async fn restart(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let own = descendants(Pid::from_child(&daemon).as_raw_nonzero().get()).into_iter().filter(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"))
            });
            let own: Vec<i32> = own.collect();
            let _ = daemon.kill();
            for pid in own {
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
            let _ = daemon.wait();
        }
        self.launch().await;
    }

    /// Starts the daemon again after [`Self::stop`].
    pub(crate) async fn resume(&mut self) {
        self.stop();
        self.launch().await;
    }

    async fn launch(&mut self) {
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let before = self.count("Server listening on ");
        let mut command = Command::new(PROGRAM);
        command.args(["-D", "-e", "-f"]).arg(self.folder.path().join("sshd_config"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.daemon = Some(child);
        let listens = || async { (self.count("Server listening on ") > before).then_some(()) };
        eventually("sshd to listen", || self.log(), listens).await;
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The variable that whatever a session starts bears.
fn mark(folder: &Path) -> String {
    format!("PREVIEWBOT_TEST_HOST={}", folder.display())
}

/// sshd goes by the first value that it reads for a name.
fn configuration(login: &Login, folder: &Path, knobs: &[&str]) -> String {
    let (knobs, address, at, mark) = (knobs.join("\n"), login.address, folder.display(), mark(folder));
    format!(
        "{knobs}\nListenAddress {address}\nHostKey {at}/host\nPidFile none\nAuthorizedKeysFile {at}/authorized_keys\n\
         AuthenticationMethods publickey\nPermitRootLogin prohibit-password\nPermitUserRC no\nUsePAM no\n\
         StrictModes no\nPrintMotd no\nPrintLastLog no\nUseDNS no\nLogLevel VERBOSE\nMaxStartups 200\n\
         SetEnv HOME={at}/home {mark}\nSubsystem sftp internal-sftp\n"
    )
}

fn user_name(id: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = fields.find(|fields| fields.get(2).and_then(|text| text.parse().ok()) == Some(id));
    user.expect("the tests' user has a name")[0].to_owned()
}

/// The living processes below this one.
fn descendants(ancestor: i32) -> BTreeSet<i32> {
    let mut living = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let mut fields = fields.split(' ');
        if let (Some(state), Some(Ok(parent))) = (fields.next(), fields.next().map(str::parse))
            && state != "Z"
        {
            living.push((pid, parent));
        }
    }
    let mut found = BTreeSet::new();
    loop {
        let below = |parent: &i32| *parent == ancestor || found.contains(parent);
        let more: Vec<i32> = living.extract_if(.., |(_, parent)| below(parent)).map(|(pid, _)| pid).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}
