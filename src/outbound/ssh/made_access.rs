//! How a machine that a hook made is reached: what the hook printed, `provisioner.compute.ssh`, and what the operator
//! allows of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::options::SshOptions;
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{HookCommand, HookRunner};
use crate::domain::project::SshConfig;
use crate::domain::project::template::{self, TemplateContext};

/// How long `user_command` may take.
const USER_COMMAND: Duration = Duration::from_secs(30);

/// What the operator's settings say of machines that hooks make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineSettings {
    /// The private key.
    pub identity_file: Option<PathBuf>,
    /// Pinned host keys, for machines whose hook prints none.
    pub known_hosts_file: Option<PathBuf>,
    /// Whether a project may name programs and keys of the bot's machine.
    pub from_projects: bool,
}

/// The way to one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) address: String,
    /// The compute root there.
    pub(super) root: String,
    port: u16,
    user: String,
    user_command: String,
    proxy_command: Option<String>,
    identity_file: Option<PathBuf>,
    known_hosts_file: Option<PathBuf>,
    host_key: Option<String>,
}

fn invalid(message: String) -> PortError {
    PortError::new(ErrorKind::Invalid, message)
}

/// Puts the way together; every word of it is checked, since a hook printed it.
pub(super) fn way_to(
    info: &ComputeAccessInfo,
    config: &SshConfig,
    settings: &MachineSettings,
    store: &BTreeMap<String, String>,
) -> PortResult<Way> {
    let context = TemplateContext { store: store.clone(), ..TemplateContext::default() };
    let rendered = |name: &str, text: &str| {
        template::render(text, &context)
            .map_err(|error| invalid(format!("provisioner.compute.ssh.{name}: {error}")))
    };
    for (name, text) in [
        ("proxy_command", &config.proxy_command),
        ("user_command", &config.user_command),
        ("identity_file", &config.identity_file),
    ] {
        if !text.is_empty() && !settings.from_projects {
            let message = format!(
                "provisioner.compute.ssh.{name} names a program or a key of the bot's machine: the operator must allow \
                 that with from_projects = true in [machines] of the bot's settings"
            );
            return Err(invalid(message));
        }
    }
    let printed = |name: &str| info.metadata.get(name).filter(|value| !value.is_empty());
    let address = word("VM_IP", info.host.as_deref().unwrap_or_default(), "-_.:")?;
    let user = match info.user.as_deref() {
        Some(user) if !user.is_empty() => user.to_owned(),
        _ => rendered("user", &config.user)?,
    };
    let user = if user.is_empty() { user } else { word("SSH_USER", &user, "-_.")? };
    let root = rendered("root", &config.root)?;
    let root = if root.is_empty() { info.path.clone().unwrap_or_default() } else { root };
    if !root.starts_with('/') || root.split('/').any(|part| part == "..") || root.contains(['\n', '\0', '\'']) {
        return Err(invalid(format!("REMOTE_ROOT `{}` is no absolute path", root.escape_debug())));
    }
    let port = match printed("ssh_port") {
        None => 22,
        Some(port) => {
            port.parse().map_err(|_| invalid(format!("SSH_PORT `{}` is no port", port.escape_debug())))?
        }
    };
    let identity = rendered("identity_file", &config.identity_file)?;
    let proxy = rendered("proxy_command", &config.proxy_command)?;
    if proxy.contains(['\n', '\0']) {
        return Err(invalid("provisioner.compute.ssh.proxy_command has more than one line".to_owned()));
    }
    Ok(Way {
        address,
        root: root.trim_end_matches('/').to_owned(),
        port,
        user,
        user_command: rendered("user_command", &config.user_command)?,
        proxy_command: Some(proxy).filter(|command| !command.is_empty()),
        identity_file: Some(PathBuf::from(identity))
            .filter(|file| !file.as_os_str().is_empty())
            .or_else(|| settings.identity_file.clone()),
        known_hosts_file: settings.known_hosts_file.clone(),
        host_key: printed("host_key").map(|key| host_key(key)).transpose()?,
    })
}

/// A word that neither a shell nor `ssh` nor git can misread.
fn word(name: &str, text: &str, more: &str) -> PortResult<String> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    if text.is_empty() || text.starts_with('-') || !plain {
        let message =
            format!("provisioner.compute.create printed {name}=`{}`, which is none", text.escape_debug());
        return Err(invalid(message));
    }
    Ok(text.to_owned())
}

/// `ssh-ed25519 AAAA…`, a comment left out.
fn host_key(text: &str) -> PortResult<String> {
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@+/=".contains(c));
    match words[..] {
        [kind, key] if plain(kind) && plain(key) => Ok(format!("{kind} {key}")),
        _ => Err(invalid("provisioner.compute.create printed an SSH_HOST_KEY that is no public key".to_owned())),
    }
}

impl Way {
    /// The account: as printed or configured, else as the project's command says.
    pub(super) async fn user(&self, hooks: &dyn HookRunner, project_root: &Path) -> PortResult<String> {
        if self.user_command.is_empty() {
            return if self.user.is_empty() { Ok("root".to_owned()) } else { Ok(self.user.clone()) };
        }
        let command = HookCommand {
            step: "ssh_user".to_owned(),
            script: self.user_command.clone(),
            directory: project_root.to_string_lossy().into_owned(),
            timeout: USER_COMMAND,
            killable: true,
            ..HookCommand::default()
        };
        let outcome = hooks.run(&command, &CancellationToken::new()).await?;
        if !outcome.succeeded() {
            let message = format!("provisioner.compute.ssh.user_command failed: {}", outcome.tail.join("; "));
            return Err(invalid(message));
        }
        word("the account", outcome.stdout.trim(), "-_.")
    }

    /// For `ssh`.
    pub(super) fn options(&self, user: String) -> SshOptions {
        SshOptions {
            name: self.address.clone(),
            address: self.address.clone(),
            port: self.port,
            user,
            identity_file: self.identity_file.clone(),
            known_hosts_file: self.known_hosts_file.clone(),
            host_key: self.host_key.clone(),
            is_made: true,
            proxy_command: self.proxy_command.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ComputeAccessInfo {
        ComputeAccessInfo {
            kind: "ssh".to_owned(),
            path: Some("/app".to_owned()),
            host: Some("10.0.0.9".to_owned()),
            user: Some("deploy".to_owned()),
            ..ComputeAccessInfo::default()
        }
    }

    fn told(info: &ComputeAccessInfo, config: &SshConfig, from_projects: bool) -> String {
        let settings = MachineSettings { from_projects, ..MachineSettings::default() };
        let store = BTreeMap::from([("ROOT".to_owned(), "/srv/x".to_owned())]);
        way_to(info, config, &settings, &store).map_or_else(|e| e.to_string(), |way| format!("{way:?}"))
    }

    #[test]
    fn what_the_hook_printed_and_the_store_make_the_way() {
        let config =
            SshConfig { root: "{{store.ROOT}}/app/".to_owned(), user: "x".to_owned(), ..SshConfig::default() };
        let mut info = info();
        info.metadata.insert("host_key".to_owned(), "ssh-ed25519 AAAA+/= root@vm".to_owned());
        info.metadata.insert("ssh_port".to_owned(), "2222".to_owned());
        let settings = MachineSettings { identity_file: Some("/keys/vm".into()), ..MachineSettings::default() };
        let store = BTreeMap::from([("ROOT".to_owned(), "/srv/x".to_owned())]);
        let way = way_to(&info, &config, &settings, &store).unwrap();
        assert_eq!((way.address.as_str(), way.root.as_str(), way.port), ("10.0.0.9", "/srv/x/app", 2222));
        let options = way.options("deploy".to_owned());
        assert_eq!(options.host_key.as_deref(), Some("ssh-ed25519 AAAA+/="));
        assert_eq!(options.identity_file, Some("/keys/vm".into()));
    }

    #[test]
    fn words_that_could_be_misread_are_refused() {
        let config = SshConfig::default();
        for host in ["", "-oProxyCommand=id", "a b", "a;id", "$(id)"] {
            let info = ComputeAccessInfo { host: Some(host.to_owned()), ..info() };
            assert!(told(&info, &config, false).contains("VM_IP"), "{host}");
        }
        for path in ["app", "/a/../b", "/a\nb"] {
            let info = ComputeAccessInfo { path: Some(path.to_owned()), ..info() };
            assert!(told(&info, &config, false).contains("REMOTE_ROOT"), "{path}");
        }
        let with = |name: &str, value: &str| {
            let mut info = info();
            info.metadata.insert(name.to_owned(), value.to_owned());
            told(&info, &config, false)
        };
        assert!(with("ssh_port", "70000").contains("SSH_PORT"));
        assert!(with("host_key", "x").contains("SSH_HOST_KEY"));
        assert!(with("host_key", "ssh-ed25519 a\"b").contains("SSH_HOST_KEY"));
    }

    #[test]
    fn programs_and_keys_of_the_bots_machine_are_the_operators_to_allow() {
        let config = SshConfig { proxy_command: "nc x 22".to_owned(), ..SshConfig::default() };
        assert!(told(&info(), &config, false).contains("from_projects"));
        assert!(told(&info(), &config, true).contains("nc x 22"));
    }
}
