//! One multiplexed connection to a host, and the shells that are open on it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder};
use tempfile::TempDir;

use super::channel::{Channel, RemoteProcess, token};
use super::options::{CONNECT, SshOptions};
use super::request::Request;
use crate::domain::checkup::host::{Refused, Stage};
use crate::domain::error::{ErrorKind, PortError};

/// How long a whole connection may take to come up: a host may accept and then say nothing.
const DIAL: Duration = Duration::from_secs(CONNECT as u64 * 2);
/// How long the connection outlives the bot, should the bot be killed.
const LINGER: Duration = Duration::from_secs(30);
/// How long a killed shell's processes are looked for.
const KILL: Duration = Duration::from_secs(10);

/// What a host whose key is known by itself is called in its `known_hosts`.
const ALIAS: &str = "machine";

/// Ends a shell of ours and what it runs, unless its number was given out again meanwhile.
const KILL_SHELL: &str = r#"[ "$(start_of "$1")" = "$2" ] || exit 0
kill -s KILL -- "-$1""#;

/// A connection that is up, or was.
pub(super) struct Connection {
    session: Arc<Session>,
    idle: Mutex<Vec<Channel>>,
    /// One shell at a time ends others: a server allows few.
    killing: tokio::sync::Mutex<()>,
    configuration: PathBuf,
}

impl Connection {
    /// Connects. `folder` gets the control socket: nobody else may enter it.
    pub(super) async fn dial(options: &SshOptions, folder: &TempDir) -> Result<Self, Refused> {
        let configuration = folder.path().join("config");
        let write = || {
            let keys = folder.path().join("known_hosts");
            let own_keys = match &options.host_key {
                Some(key) => {
                    std::fs::write(&keys, format!("{ALIAS} {key}\n"))?;
                    Some((ALIAS, keys.as_path()))
                }
                None => None,
            };
            std::fs::write(&configuration, options.configuration(own_keys))
        };
        write().map_err(|error: io::Error| {
            let said = format!("cannot write to {}: {error}", folder.path().display());
            Refused { stage: Stage::Reach, said, mend: "make room on the bot's machine".to_owned() }
        })?;
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .user(options.user.clone())
            .port(options.port)
            .config_file(&configuration)
            .control_directory(folder.path())
            // What a bot that was killed left is not ours to judge: its sockets are in folders of their own.
            .clean_history_control_directory(false)
            .control_persist(ControlPersist::IdleFor(linger()));
        let dialled = tokio::time::timeout(DIAL, builder.connect_mux(&options.address)).await;
        let session = dialled
            .map_err(|_| unreachable(&format!("it did not answer within {DIAL:?}")))?
            .map_err(|error| refused(options, &chain(&error)))?;
        Ok(Self {
            session: Arc::new(session),
            idle: Mutex::default(),
            killing: tokio::sync::Mutex::default(),
            configuration,
        })
    }

    /// A shell that nobody uses, or a new one.
    pub(super) async fn channel(&self) -> io::Result<Channel> {
        if let Some(channel) = self.take_idle() {
            return Ok(channel);
        }
        Channel::open(self.session.clone()).await
    }

    /// Puts a shell back that has done its work.
    pub(super) fn put_back(&self, channel: Channel) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
    }

    /// Takes a shell away, so that another session may be open in its place.
    pub(super) fn take_idle(&self) -> Option<Channel> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Kills a shell that was not waited for, and all that it runs. Best effort: a host that is away cannot be told.
    pub(super) async fn kill(&self, process: RemoteProcess) {
        let killed = async {
            let _one = self.killing.lock().await;
            let mut channel = Channel::open(self.session.clone()).await?;
            let token = token();
            let request = Request::new(KILL_SHELL, [process.pid, process.start]);
            let bytes = request.bytes(&token).map_err(io::Error::other)?;
            channel.ask(&token, &bytes).await
        };
        match tokio::time::timeout(KILL, killed).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a shell on a host cannot be ended"),
            Err(_) => tracing::debug!("a shell on a host cannot be ended in time"),
        }
    }

    /// Whether `ssh` still takes it for alive.
    pub(super) async fn is_alive(&self) -> bool {
        self.session.check().await.is_ok()
    }

    /// The control socket, by which other programs use this connection.
    pub(super) fn socket(&self) -> &Path {
        self.session.control_socket()
    }

    /// The configuration file that it was made with.
    pub(super) fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// The session itself, for a command of its own.
    pub(super) fn session(&self) -> Arc<Session> {
        self.session.clone()
    }
}

fn linger() -> std::num::NonZeroUsize {
    let seconds = usize::try_from(LINGER.as_secs()).unwrap_or(1);
    std::num::NonZeroUsize::new(seconds).unwrap_or(std::num::NonZeroUsize::MIN)
}

/// An error and all its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unreachable(why: &str) -> Refused {
    let mend = "is it up, does sshd run there, does a firewall let the bot through, are address and port right?";
    Refused { stage: Stage::Reach, said: why.to_owned(), mend: mend.to_owned() }
}

/// What `ssh` said, and what to do about it.
fn refused(options: &SshOptions, said: &str) -> Refused {
    let lower = said.to_lowercase();
    let known =
        options.known_hosts_file.as_ref().map_or("~/.ssh/known_hosts".into(), |file| file.to_string_lossy());
    if lower.contains("identification has changed") {
        return Refused {
            stage: Stage::Key,
            said: format!("its key is not the one in {known}: nothing was sent"),
            mend: "Either the machine was set up anew (then compare the key on its console, `ssh-keygen -lf \
                   /etc/ssh/ssh_host_ed25519_key.pub`, and replace the line) or somebody else answers in its place"
                .to_owned(),
        };
    }
    if lower.contains("host key verification failed") || lower.contains("host key is known") {
        let (port, address) = (options.port, &options.address);
        if options.known_hosts_file.is_none() && options.is_made {
            return Refused {
                stage: Stage::Key,
                said: "its key is not known: nothing was sent".to_owned(),
                mend: "Let provisioner.compute.create print SSH_HOST_KEY=…, the machine's public key, or set \
                       known_hosts_file in [machines]"
                    .to_owned(),
            };
        }
        return Refused {
            stage: Stage::Key,
            said: format!("its key is not in {known}: nothing was sent"),
            mend: format!(
                "Fetch it with `ssh-keyscan -p {port} {address}`, compare it with the one on the machine's console \
                 (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`) and add the line"
            ),
        };
    }
    if lower.contains("permission denied") || lower.contains("too many authentication failures") {
        let key = options.identity_file.as_ref().map_or("the bot's key".into(), |file| file.to_string_lossy());
        let mut mend = "Add the public key to that account's ~/.ssh/authorized_keys".to_owned();
        if !options.is_made {
            // Writing to a String cannot fail.
            let _ = write!(mend, ", or run `previewbot hosts prepare {} --user root`", options.name);
        }
        let said = format!("it does not accept {key} for the account {}", options.user);
        return Refused { stage: Stage::Login, said, mend };
    }
    unreachable(said)
}

/// The same as a port's error.
pub(super) fn told(options: &SshOptions, refused: &Refused) -> PortError {
    let (host, said, mend) = (options.shown(), &refused.said, &refused.mend);
    match refused.stage {
        Stage::Reach => PortError::new(ErrorKind::Unavailable, format!("host {host} cannot be reached: {said}")),
        Stage::Key | Stage::Login => PortError::new(ErrorKind::Denied, format!("host {host}: {said}. {mend}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_becomes_what_to_do() {
        let options = SshOptions {
            name: "vm-1".to_owned(),
            address: "10.0.0.5".to_owned(),
            port: 22,
            user: "preview".to_owned(),
            identity_file: None,
            host_key: None,
            is_made: false,
            known_hosts_file: Some("/etc/known".into()),
            proxy_command: None,
        };
        let cases = [
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", ErrorKind::Denied, "set up anew"),
            (
                "No ED25519 host key is known for x\r\nHost key verification failed.",
                ErrorKind::Denied,
                "ssh-keyscan",
            ),
            ("preview@x: Permission denied (publickey).", ErrorKind::Denied, "authorized_keys"),
            ("connect to host x port 22: Connection refused", ErrorKind::Unavailable, "Connection refused"),
        ];
        for (said, kind, told) in cases {
            let error = super::told(&options, &refused(&options, said));
            assert_eq!(error.kind(), kind, "{said}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
