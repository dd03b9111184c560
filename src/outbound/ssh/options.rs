//! How a host is reached, as a configuration file of `ssh`'s own: nothing of the account that the bot runs as counts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshOptions {
    /// The host's name, for people.
    pub name: String,
    /// What to connect to.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// The account there.
    pub user: String,
    /// The private key; `None`: those that `ssh` finds by itself, an agent's among them.
    pub identity_file: Option<PathBuf>,
    /// The pinned host keys; `None`: those that the bot's account knows.
    pub known_hosts_file: Option<PathBuf>,
    /// The host's public key, where it is known by itself: `ssh-ed25519 AAAA…`.
    pub host_key: Option<String>,
    /// Whether a hook of the project made it.
    pub is_made: bool,
    /// A command whose input and output are the connection.
    pub proxy_command: Option<String>,
}

/// Between two signs of life that are asked of a host, in seconds; three that fail end the connection.
const ALIVE: u32 = 5;
/// How long a host may take to accept a connection, in seconds.
pub(super) const CONNECT: u32 = 10;

impl SshOptions {
    /// The configuration file. Every key is pinned: an unknown one is refused. `own_keys` is a file that has just this
    /// host's key, and the name that it has there.
    pub(super) fn configuration(&self, own_keys: Option<(&str, &Path)>) -> String {
        let mut text = "Host *\n".to_owned();
        let mut line = |key: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {key} {value}");
        };
        line("StrictHostKeyChecking", "yes");
        line("GlobalKnownHostsFile", "/dev/null");
        line("UpdateHostKeys", "no");
        line("CheckHostIP", "no");
        line("BatchMode", "yes");
        line("PasswordAuthentication", "no");
        line("KbdInteractiveAuthentication", "no");
        line("ForwardAgent", "no");
        line("ForwardX11", "no");
        line("ClearAllForwardings", "yes");
        line("PermitLocalCommand", "no");
        line("RequestTTY", "no");
        line("ConnectTimeout", &CONNECT.to_string());
        line("ServerAliveInterval", &ALIVE.to_string());
        line("ServerAliveCountMax", "3");
        if let Some((alias, file)) = own_keys {
            line("HostKeyAlias", alias);
            line("UserKnownHostsFile", &quoted(&file.to_string_lossy()));
        } else if let Some(file) = &self.known_hosts_file {
            line("UserKnownHostsFile", &quoted(&file.to_string_lossy()));
        }
        if let Some(file) = &self.identity_file {
            line("IdentityFile", &quoted(&file.to_string_lossy()));
            line("IdentitiesOnly", "yes");
        }
        if let Some(command) = &self.proxy_command {
            line("ProxyCommand", command);
        }
        text
    }

    /// `user@address:port`, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} ({}@{}:{})", self.name, self.user, self.address, self.port)
    }
}

/// A path as one word of the file; `%` would begin one of `ssh`'s own names.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pinned_and_paths_are_words() {
        let options = SshOptions {
            name: "vm-1".to_owned(),
            address: "10.0.0.5".to_owned(),
            port: 22,
            user: "preview".to_owned(),
            identity_file: Some("/keys/100% a".into()),
            known_hosts_file: Some("/known hosts".into()),
            host_key: None,
            is_made: false,
            proxy_command: None,
        };
        let text = options.configuration(None);
        for line in [
            "StrictHostKeyChecking yes",
            "UserKnownHostsFile \"/known hosts\"",
            "GlobalKnownHostsFile /dev/null",
            "IdentityFile \"/keys/100%% a\"",
            "ForwardAgent no",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line}");
        }
        assert!(!text.contains("ProxyCommand"));
    }
}
