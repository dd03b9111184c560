//! Hosts to place previews on: a throw-away sshd, a container that stands for a VM, and a bad network before either.

mod port;
pub(crate) mod proxy;
pub(crate) mod sshd;
pub(crate) mod vm;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What it takes to log in to a host.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    /// The file with the private key.
    pub(crate) identity: PathBuf,
    /// The host's public key: its type and the key.
    pub(crate) host_key: String,
}

impl Login {
    /// The same host by another way, such as a proxy.
    pub(crate) fn through(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The `known_hosts` file that knows this host and no other.
    pub(crate) fn known_hosts(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        // ssh looks for the bare name when the port is the usual one.
        let name = if port == 22 { ip.to_string() } else { format!("[{ip}]:{port}") };
        format!("{name} {}\n", self.host_key)
    }

    /// The file with [`Self::known_hosts`], beside the private key.
    pub(crate) fn known_hosts_file(&self) -> PathBuf {
        let name = format!("known_hosts-{}-{}", self.address.ip(), self.address.port());
        let path = self.identity.with_file_name(name);
        std::fs::write(&path, self.known_hosts()).unwrap();
        path
    }

    /// `ssh` to this host, apart from any configuration of the machine; options may be added before the command.
    pub(crate) fn ssh(&self, options: &[&str], command: &str) -> tokio::process::Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        ssh.args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o"]);
        ssh.arg(format!("UserKnownHostsFile={}", self.known_hosts_file().display()));
        ssh.arg("-i").arg(&self.identity).args(["-p", &self.address.port().to_string()]).args(options);
        ssh.args(["--", &format!("{}@{}", self.user, self.address.ip()), command]);
        ssh.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut ssh = tokio::process::Command::from(ssh);
        ssh.kill_on_drop(true);
        ssh
    }

    /// Runs a command on the host to its end.
    pub(crate) async fn run(&self, command: &str) -> Output {
        self.ssh(&[], command).output().await.unwrap()
    }

    /// What a command that works on the host prints, trimmed.
    pub(crate) async fn says(&self, command: &str) -> String {
        let output = self.run(command).await;
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Makes a key pair without a passphrase; the public key, its type first.
fn make_key(path: &std::path::Path) -> String {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path).output();
    let made = made.expect("ssh-keygen (run scripts/setup.sh test)");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}
