//! `previewbot hosts add`: a machine's key is pinned and the machine written to the settings.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::app::bot::World;
use crate::inbound::cli::arguments::AddHostArguments;
use crate::inbound::cli::{CliError, findings, hosts};
use crate::outbound::ssh::{HostKey, host_keys, pin};
use crate::settings::{Addition, DEFAULT_FILE, Host, Settings};

/// Where a person at the machine itself reads its fingerprint.
const ON_CONSOLE: &str = "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the machine's console";

/// Runs it. Nothing is written before the key is known to be the machine's own and the settings to be valid.
pub(super) async fn run(config: Option<&Path>, arguments: &AddHostArguments, world: &World) -> anyhow::Result<()> {
    let file = config.unwrap_or(Path::new(DEFAULT_FILE));
    if !file.exists() {
        let message = format!(
            "there is no settings file {}: make one, it may be empty, and name it with --config",
            file.display()
        );
        return Err(CliError::Asked(message).into());
    }
    let settings = Settings::load(Some(file), std::env::vars())?;
    if settings.hosts.iter().any(|host| host.name == arguments.name) {
        let message = format!("the settings have a host {} already; take another name", arguments.name);
        return Err(CliError::Asked(message).into());
    }
    let addition = Addition::of(file, &host(file, arguments)?, std::env::vars())?;
    let added = addition.settings.hosts.last().context("the host is not in the new settings")?.clone();
    let keys = host_keys(&added.address, added.port).await?;
    let key = trusted(&keys, arguments, &added)?;
    if let Some(known) = &added.known_hosts_file {
        pin(known, (&added.address, added.port), key)?;
    }
    let settings = addition.settings.clone();
    addition.write()?;
    println!("host {} is in {}", added.name, file.display());
    let found = super::check(&settings, &[&added], &*world.clock).await;
    match findings::print(&found, false, &mut std::io::stdout().lock()) {
        // A machine that is yet to be set up: the host is added all the same.
        Err(CliError::ChecksFailed { .. }) => {
            println!("next: previewbot hosts prepare {} --user root", added.name);
            Ok(())
        }
        printed => Ok(printed?),
    }
}

/// The host as the settings file is to have it.
fn host(file: &Path, arguments: &AddHostArguments) -> anyhow::Result<Host> {
    let folder = std::path::absolute(file)?.parent().map(Path::to_owned).unwrap_or_default();
    // What lies beside the settings file goes with it when it is moved.
    let beside = |path: &PathBuf| -> std::io::Result<PathBuf> {
        let path = std::path::absolute(path)?;
        Ok(path.strip_prefix(&folder).map_or_else(|_| path.clone(), Path::to_owned))
    };
    let known = arguments.known_hosts_file.as_ref().map(beside).transpose()?;
    Ok(Host {
        name: arguments.name.clone(),
        address: arguments.address.clone(),
        port: arguments.port,
        user: arguments.user.clone(),
        identity_file: arguments.identity_file.as_ref().map(beside).transpose()?,
        known_hosts_file: Some(known.unwrap_or_else(|| PathBuf::from("known_hosts"))),
        public_host: arguments.public_host.clone(),
        bind: None,
        root: arguments.root.clone(),
        capacity: arguments.capacity,
        disk_floor_mb: None,
        labels: arguments.labels.clone(),
    })
}

/// The key that somebody vouches for: by its fingerprint, or at a terminal.
fn trusted<'a>(keys: &'a [HostKey], arguments: &AddHostArguments, host: &Host) -> anyhow::Result<&'a HostKey> {
    let shown: Vec<String> = keys.iter().map(HostKey::fingerprint).collect::<Result<_, _>>()?;
    let (best, fingerprint) = keys.first().zip(shown.first()).context("the machine shows no key")?;
    let machine = format!("{} port {}", host.address, host.port);
    if let Some(expected) = &arguments.fingerprint {
        return shown.iter().position(|shown| shown == expected).and_then(|at| keys.get(at)).ok_or_else(|| {
            let shown = shown.join(", ");
            let message = format!(
                "{machine} shows {shown}, and not {expected}: nothing was written. Compare with {ON_CONSOLE}; if that \
                 says {expected}, somebody else answers in its place"
            );
            CliError::Asked(message).into()
        });
    }
    if !std::io::stdin().is_terminal() {
        let message = format!(
            "{machine} shows the key {} {fingerprint}, and nobody is here to compare it: nothing was written. See {ON_CONSOLE} \
             and give what it says with --fingerprint SHA256:…",
            best.kind
        );
        return Err(CliError::Asked(message).into());
    }
    let question = format!(
        "{machine} shows the key\n  {} {fingerprint}\nCompare it with {ON_CONSOLE}. Is it the same?",
        best.kind
    );
    let confirmed = hosts::confirmed(&question, &mut std::io::stdin().lock(), &mut std::io::stdout().lock())?;
    if confirmed { Ok(best) } else { Err(CliError::Asked("nothing was written".to_owned()).into()) }
}
