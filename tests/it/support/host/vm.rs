//! A container that stands for a VM: an sshd, a Docker engine and a boot of its own.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use previewbot::outbound::supervisor::{boot_id, start_of};
use tokio::sync::OnceCell;

use super::port::Port;
use super::{Login, make_key};
use crate::support::bot::eventually;

/// The image that `scripts/host-image.sh` makes.
const IMAGE: &str = "previewbot-test/host:local";
/// Says which process a host belongs to.
const OWNER: &str = "previewbot-test.owner";
/// Who logs in; may use docker and is nobody else.
const USER: &str = "preview";

/// Removes a host by its name, and its folder: when the end of this script's input tells that nobody needs them more.
const REMOVAL: &str = r#"cat >/dev/null
docker rm --force --volumes "$1"
find /sys/fs/cgroup -depth -type d \( -path "*/$1" -o -path "*/$1/*" \) -exec rmdir {} +
[ -z "$2" ] || rm -rf "$2""#;

/// A running host. It is gone when it is dropped, and also when the process of the tests ends in whatever way.
pub(crate) struct Vm {
    name: String,
    login: Login,
    /// Waits for the end of its input, which comes with the end of this process at the latest.
    remover: Child,
    /// Kept so that the host can come back at its port.
    _port: Port,
}

impl Vm {
    /// The host that tests share which do it no harm: each has its own folders and its own names on it.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Vm> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start("shared")).await
    }

    /// A host of one's own; the name is to tell it from others of this process.
    pub(crate) async fn start(name: &str) -> Self {
        needed().await;
        sweep().await;
        let name = format!("previewbot-test-{}-{name}", std::process::id());
        let folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir().unwrap().keep();
        let remover = remover(&name, &folder);
        let identity = folder.join("id");
        let key = make_key(&identity);
        let port = Port::reserve();
        let login = Login { address: port.address(), user: USER.to_owned(), identity, host_key: String::new() };
        let mut this = Self { name, login, remover, _port: port };
        docker(&this.run_arguments(&key)).await;
        this.login.host_key = this.boots().await;
        this
    }

    fn run_arguments(&self, key: &str) -> Vec<String> {
        let name = &self.name;
        let mut arguments = vec!["run".to_owned(), "--detach".to_owned(), "--init".to_owned()];
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["--name", name, "--hostname", name, "--label", &format!("{OWNER}={}", this_process())]);
        add(&["--publish", &format!("{}:22", self.login.address), "--env", &format!("AUTHORIZED_KEY={key}")]);
        // As on any machine, what lies here is gone after a boot.
        add(&["--tmpfs", "/run:exec", "--tmpfs", "/tmp:exec"]);
        add(&["--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]);
        if has_every_capability() {
            add(&["--privileged"]);
        } else {
            add(&["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"]);
            for option in ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"] {
                add(&["--security-opt", option]);
            }
        }
        add(&[IMAGE]);
        arguments
    }

    /// Waits until docker answers on the host and sshd lets in; the host's public key.
    async fn boots(&self) -> String {
        let command = "docker info >/dev/null 2>&1 && cat /etc/ssh/ssh_host_ed25519_key.pub";
        let looking = || async {
            let output = self.exec(&["sh", "-c", command]).await;
            let key = output.status.success().then(|| String::from_utf8(output.stdout).unwrap())?;
            let host_key = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let login = Login { host_key, ..self.login.clone() };
            login.run("true").await.status.success().then_some(login.host_key)
        };
        eventually("a host to boot", || self.log(), looking).await
    }

    fn log(&self) -> String {
        let command = ["exec", &self.name, "tail", "-n", "20", "/var/log/dockerd.log", "/var/log/sshd.log"];
        format!("{:?}", Command::new("docker").args(command).output())
    }

    /// The name, which is also its host name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// By a port of 127.0.0.1, the same over every reboot.
    pub(crate) const fn login(&self) -> &Login {
        &self.login
    }

    /// By the address that the host has now.
    pub(crate) async fn direct_login(&self) -> Login {
        self.login.through(SocketAddr::from((self.ip().await, 22)))
    }

    /// The address at which the ports of its containers are, too; another one after a reboot or a reconnection.
    pub(crate) async fn ip(&self) -> IpAddr {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        docker(&["inspect", "--format", format, &self.name]).await.parse().unwrap()
    }

    /// Runs a command on the host as root, past sshd.
    pub(crate) async fn exec(&self, command: &[&str]) -> Output {
        let arguments = [&["exec", &self.name], command].concat();
        tokio::process::Command::new("docker").args(arguments).output().await.unwrap()
    }

    /// What such a command prints, trimmed; it must work.
    pub(crate) async fn says(&self, command: &[&str]) -> String {
        docker(&[&["exec", &self.name], command].concat()).await
    }

    /// Gives the host's docker an image of this machine's.
    pub(crate) async fn load_image(&self, tag: &str) {
        let there = ["docker", "image", "inspect", "--format", "{{.Id}}", tag];
        if !self.exec(&there).await.status.success() {
            let script = r#"docker save "$1" | docker exec --interactive "$2" docker load"#;
            let mut command = tokio::process::Command::new("sh");
            let output = command.args(["-c", script, "sh", tag, &self.name]).output().await.unwrap();
            assert!(output.status.success(), "{tag}: {}", String::from_utf8_lossy(&output.stderr));
            self.says(&there).await;
        }
    }

    /// Pulls the plug and boots again: every process ends at once, what lies on the disk stays.
    pub(crate) async fn reboot(&self) {
        docker(&["restart", "--time", "0", &self.name]).await;
        self.boots().await;
    }

    /// Ends the host's docker, its containers with it.
    pub(crate) async fn stop_engine(&self) {
        self.says(&["pkill", "-x", "dockerd"]).await;
        let gone = || async { (!self.exec(&["pgrep", "-x", "dockerd"]).await.status.success()).then_some(()) };
        eventually("docker to end", || self.log(), gone).await;
    }

    /// Starts it again.
    pub(crate) async fn start_engine(&self) {
        let command = "exec dockerd >>/var/log/dockerd.log 2>&1";
        docker(&["exec", "--detach", &self.name, "sh", "-c", command]).await;
        self.boots().await;
    }

    /// Takes the host off the network: its port of 127.0.0.1 refuses, its own address is nobody's. It goes on itself.
    pub(crate) async fn disconnect(&self) {
        docker(&["network", "disconnect", "bridge", &self.name]).await;
    }

    /// Undoes [`Self::disconnect`].
    pub(crate) async fn reconnect(&self) {
        docker(&["network", "connect", "bridge", &self.name]).await;
        self.boots().await;
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        let _ = self.remover.wait();
    }
}

/// Starts what removes a host once its input ends. It must outlive this process: a signal to the group, such as that
/// of Ctrl-C, does not reach it.
fn remover(name: &str, folder: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", REMOVAL, "sh", name]).arg(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Removes hosts whose process ended while docker was away, or at a crash of the machine.
async fn sweep() {
    let format = format!("{{{{.Names}}}} {{{{.Label {OWNER:?}}}}}");
    let hosts = docker(&["ps", "--all", "--filter", &format!("label={OWNER}"), "--format", &format]).await;
    for (name, owner) in hosts.lines().filter_map(|line| line.split_once(' ')) {
        if !is_alive(owner) {
            let mut removal = remover(name, Path::new(""));
            drop(removal.stdin.take());
            let _ = removal.wait();
        }
    }
}

/// This process, told from any other that ever had its number.
fn this_process() -> String {
    let pid = std::process::id();
    format!("{pid}/{}/{}", start_of(i32::try_from(pid).unwrap()).unwrap(), boot_id())
}

/// Whether the process lives that [`this_process`] told of.
fn is_alive(process: &str) -> bool {
    let mut parts = process.split('/');
    let pid = parts.next().and_then(|pid| pid.parse().ok());
    let start = parts.next().and_then(|start| start.parse().ok());
    pid.and_then(start_of).is_some_and(|now| Some(now) == start) && parts.next() == Some(&boot_id())
}

/// Whether `--privileged`, which asks for every capability, can be granted. Machines that are containers themselves
/// often lack the one to exceed limits.
fn has_every_capability() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    // CAP_SYS_RESOURCE
    u64::from_str_radix(bounding.trim(), 16).unwrap() & (1 << 24) != 0
}

/// Fails when there is nothing to make hosts from.
async fn needed() {
    let there = tokio::process::Command::new("docker").args(["image", "inspect", IMAGE]).output().await;
    assert!(
        there.is_ok_and(|output| output.status.success()),
        "this test needs Docker and the image of a host: run `make test`, or scripts/docker.sh and scripts/host-image.sh"
    );
}

/// What docker prints, trimmed.
async fn docker<A: AsRef<std::ffi::OsStr> + std::fmt::Debug>(arguments: &[A]) -> String {
    let output = tokio::process::Command::new("docker").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
