//! The keys that a machine shows to whoever asks, before anybody trusts them.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::domain::error::{ErrorKind, PortError, PortResult};

/// How long a machine may take to show its keys.
const PATIENCE: Duration = Duration::from_secs(30);
/// Types of keys, the best first.
const TYPES: [&str; 3] = ["ssh-ed25519", "ecdsa-sha2-", "ssh-rsa"];

/// A machine's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// `ssh-ed25519`
    pub kind: String,
    /// In base64.
    pub key: String,
}

impl HostKey {
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    ///
    /// # Errors
    /// `Invalid` when the key is none.
    pub fn fingerprint(&self) -> PortResult<String> {
        let invalid = |error| PortError::with_source(ErrorKind::Invalid, "the host's key is no key", error);
        let bytes = BASE64_STANDARD.decode(&self.key).map_err(invalid)?;
        Ok(format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(bytes))))
    }

    /// Its line in a `known_hosts` file.
    #[must_use]
    pub fn line(&self, address: &str, port: u16) -> String {
        format!("{} {} {}\n", known_as(address, port), self.kind, self.key)
    }
}

/// What a machine is called in a `known_hosts` file.
fn known_as(address: &str, port: u16) -> String {
    if port == 22 { address.to_owned() } else { format!("[{address}]:{port}") }
}

/// Writes a machine's key to a `known_hosts` file, which is made where it is missing. False when it is there already.
///
/// # Errors
/// `Conflict` when another key stands there for the machine; `Unavailable` when the file cannot be read or written.
pub fn pin(file: &Path, (address, port): (&str, u16), key: &HostKey) -> PortResult<bool> {
    let failed = |error| {
        let message = format!("cannot pin a key in {}", file.display());
        PortError::with_source(ErrorKind::Unavailable, message, error)
    };
    let old = match std::fs::read_to_string(file) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let name = known_as(address, port);
    for line in old.lines().filter(|line| !line.starts_with(['#', '@'])) {
        let mut words = line.split_whitespace();
        let ours = words.next().is_some_and(|names| names.split(',').any(|known| known == name));
        if !ours || words.next() != Some(&key.kind) {
            continue;
        }
        if words.next() == Some(&key.key) {
            return Ok(false);
        }
        let message = format!(
            "{} has another key for {name}: either the machine was set up anew (then remove the line: `ssh-keygen -f {0} \
             -R '{name}'`) or somebody else answers in its place",
            file.display()
        );
        return Err(PortError::new(ErrorKind::Conflict, message));
    }
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let mut open = std::fs::OpenOptions::new();
    let appended = open.create(true).append(true).open(file);
    appended
        .and_then(|mut file| file.write_all(format!("{gap}{}", key.line(address, port)).as_bytes()))
        .map_err(failed)?;
    Ok(true)
}

/// Asks a machine for its keys, the best first. Whether they are its own, nobody knows yet.
///
/// # Errors
/// `Unavailable` when it does not answer, or `ssh-keyscan` is missing.
pub async fn host_keys(address: &str, port: u16) -> PortResult<Vec<HostKey>> {
    let mut command = Command::new("ssh-keyscan");
    command.args(["-T", "10", "-p", &port.to_string(), "-t", "ed25519,ecdsa,rsa", "--", address]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let unavailable = |message: String| PortError::new(ErrorKind::Unavailable, message);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| unavailable(format!("{address} did not show its key within {PATIENCE:?}")))?;
    let output =
        output.map_err(|error| unavailable(format!("cannot run ssh-keyscan (of openssh-client): {error}")))?;
    let keys = parse(&String::from_utf8_lossy(&output.stdout));
    if keys.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().find(|line| !line.starts_with('#')).unwrap_or("nobody answers there").to_owned();
        return Err(unavailable(format!("{address} port {port} shows no key: {said}")));
    }
    Ok(keys)
}

fn parse(text: &str) -> Vec<HostKey> {
    let key = |line: &str| {
        let mut words = line.split_whitespace().skip(1).map(str::to_owned);
        Some(HostKey { kind: words.next()?, key: words.next()? })
    };
    let mut keys: Vec<HostKey> = text.lines().filter(|line| !line.starts_with('#')).filter_map(key).collect();
    let rank = |key: &HostKey| TYPES.iter().position(|kind| key.kind.starts_with(kind)).unwrap_or(TYPES.len());
    keys.sort_by_key(rank);
    keys
}

/// The public half of a private key: the file beside it, else what `ssh-keygen` makes of it.
///
/// # Errors
/// `Invalid` when there is none, as with a key that needs a passphrase.
pub async fn public_key(identity: &Path) -> PortResult<String> {
    let mut beside = identity.as_os_str().to_owned();
    beside.push(".pub");
    let text = if let Ok(text) = tokio::fs::read_to_string(&beside).await {
        text
    } else {
        let mut command = Command::new("ssh-keygen");
        command.args(["-y", "-P", "", "-f"]).arg(identity).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await;
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    };
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    if let [kind, key] = words[..] {
        return Ok(format!("{kind} {key}"));
    }
    let identity = identity.display();
    let message =
        format!("{identity} has no public key: make a pair with `ssh-keygen -t ed25519 -N '' -f {identity}`");
    Err(PortError::new(ErrorKind::Invalid, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_pinned_once_and_never_exchanged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let key = |key: &str| HostKey { kind: "ssh-ed25519".to_owned(), key: key.to_owned() };
        let pin = |port, name: &str| pin(&file, ("10.0.0.5", port), &key(name));
        assert!(pin(22, "AAAA").unwrap());
        assert!(!pin(22, "AAAA").unwrap());
        assert!(pin(2222, "BBBB").unwrap(), "another port is another machine");
        let refused = pin(22, "CCCC").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "10.0.0.5 ssh-ed25519 AAAA\n[10.0.0.5]:2222 ssh-ed25519 BBBB\n");
    }

    #[test]
    fn the_best_key_comes_first_and_is_known_by_its_fingerprint() {
        let shown = "# 10.0.0.5:22 SSH-2.0-OpenSSH_9.2\n[10.0.0.5]:2222 ssh-rsa AAAA\n\
                     [10.0.0.5]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJhyYHIB10ERxIYlWBClHb2iqjGPSNRDP7tGhpzuVRVl\n";
        let keys = parse(shown);
        assert_eq!(keys.iter().map(|key| key.kind.as_str()).collect::<Vec<_>>(), ["ssh-ed25519", "ssh-rsa"]);
        assert_eq!(keys[1].line("10.0.0.5", 22), "10.0.0.5 ssh-rsa AAAA\n");
        assert_eq!(keys[1].line("10.0.0.5", 2222), "[10.0.0.5]:2222 ssh-rsa AAAA\n");
        // As `ssh-keygen -l` prints it of this key.
        assert_eq!(keys[0].fingerprint().unwrap(), "SHA256:v3Gt0BWLO3c5e//y6ogj/s6xU8AjwhxG2SF7ip7umDU");
    }
}
