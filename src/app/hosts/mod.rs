//! `previewbot hosts`: what needs no running server.

mod add;
mod prepare;

use std::path::Path;

use futures_util::future::join_all;

use super::bot::{World, open_store};
use super::workshop::ssh_options;
use crate::domain::checkup::Finding;
use crate::domain::checkup::host::{self, HostAsked};
use crate::domain::ports::{Audit as _, AuditRecord, Clock, HostRecord, Hosts as _};
use crate::inbound::cli::arguments::HostsAction;
use crate::inbound::cli::hosts::{Listed, SetHost};
use crate::inbound::cli::{CliError, findings, hosts};
use crate::outbound::ssh::examine;
use crate::outbound::store::Serving;
use crate::settings::{Host, Settings};
use crate::worker::converge::LOCAL_HOST;

/// Runs one of the commands.
pub(super) async fn run(config: Option<&Path>, action: HostsAction, world: &World) -> anyhow::Result<()> {
    let load = || Settings::load(config, std::env::vars());
    match action {
        HostsAction::List(arguments) => {
            let listed = listed(&load()?, world).await?;
            Ok(hosts::list(&listed, arguments.json, &mut std::io::stdout().lock())?)
        }
        HostsAction::Check(arguments) => {
            let settings = load()?;
            let chosen = chosen(&settings, &arguments.names)?;
            let found = check(&settings, &chosen, &*world.clock).await;
            Ok(findings::print(&found, arguments.json, &mut std::io::stdout().lock())?)
        }
        HostsAction::Drain(arguments) => drain(&load()?, &arguments.name, true, world).await,
        HostsAction::Undrain(arguments) => drain(&load()?, &arguments.name, false, world).await,
        HostsAction::Add(arguments) => add::run(config, &arguments, world).await,
        HostsAction::Prepare(arguments) => prepare::run(&load()?, &arguments).await,
    }
}

/// Looks at everything that these hosts need, at all of them at the same time.
pub(super) async fn check(settings: &Settings, hosts: &[&Host], clock: &dyn Clock) -> Vec<Finding> {
    let looks = hosts.iter().map(|host| async move {
        let asked = HostAsked {
            name: host.name.clone(),
            user: host.user.clone(),
            root: host.root().to_string_lossy().into_owned(),
            capacity: host.capacity,
            labels: host.labels.clone(),
            disk_floor: settings.set_disk_floor(host),
        };
        let seen = examine(&ssh_options(host), &asked.root, clock).await;
        host::findings(&asked, seen.as_ref())
    });
    join_all(looks).await.concat()
}

/// The host of this name in the settings.
fn known<'a>(settings: &'a Settings, name: &str) -> Result<&'a Host, CliError> {
    settings.hosts.iter().find(|host| host.name == name).ok_or_else(|| {
        let names: Vec<&str> = settings.hosts.iter().map(|host| host.name.as_str()).collect();
        CliError::Asked(match names.as_slice() {
            [] => format!("there is no host {name}: the settings have none; `previewbot hosts add` writes one"),
            names => format!("there is no host {name}; the settings have {}", names.join(", ")),
        })
    })
}

/// Those of these names, or all.
fn chosen<'a>(settings: &'a Settings, names: &[String]) -> Result<Vec<&'a Host>, CliError> {
    if !names.is_empty() {
        return names.iter().map(|name| known(settings, name)).collect();
    }
    if settings.hosts.is_empty() {
        let message = "the settings have no hosts; `previewbot hosts add` writes one";
        return Err(CliError::Asked(message.to_owned()));
    }
    Ok(settings.hosts.iter().collect())
}

/// Hosts of the settings, and behind them those that only previews are still on.
async fn listed(settings: &Settings, world: &World) -> anyhow::Result<Vec<Listed>> {
    let mut records = open_store(settings, world, Serving::No).await?.records().await?;
    let mut listed: Vec<Listed> = Vec::new();
    for host in &settings.hosts {
        let at = records.iter().position(|record| record.name == host.name);
        let record = at.map(|at| records.swap_remove(at)).unwrap_or_default();
        let set = SetHost {
            address: if host.port == 22 {
                host.address.clone()
            } else {
                format!("{}:{}", host.address, host.port)
            },
            capacity: host.capacity,
            labels: host.labels.clone(),
        };
        listed.push(Listed { record, name: host.name.clone(), set: Some(set) });
    }
    records.retain(|record| record.environments > 0 && record.name != LOCAL_HOST);
    records.sort_by(|one, other| one.name.cmp(&other.name));
    listed.extend(records.into_iter().map(|record| Listed { name: record.name.clone(), record, set: None }));
    Ok(listed)
}

async fn drain(settings: &Settings, name: &str, draining: bool, world: &World) -> anyhow::Result<()> {
    known(settings, name)?;
    let store = open_store(settings, world, Serving::No).await?;
    let records = store.records().await?;
    let before = records.into_iter().find(|record| record.name == name).unwrap_or_default();
    if before.draining != draining {
        // A server that runs sees it with the next job that waits for room: each looks again every few seconds.
        store.drain(name, draining).await?;
        store.record(&audit(name, draining, &before, world)).await?;
    }
    Ok(hosts::drained(&before, name, draining, &mut std::io::stdout().lock())?)
}

fn audit(name: &str, draining: bool, before: &HostRecord, world: &World) -> AuditRecord {
    let (action, what) = if draining { ("drain", "no new previews") } else { ("undrain", "new previews again") };
    AuditRecord {
        at: world.clock.now_ms(),
        actor: std::env::var("USER").ok(),
        source: "cli".to_owned(),
        action: action.to_owned(),
        environment: None,
        commit: None,
        detail: format!("host {name} gets {what}; {} previews are on it", before.environments),
        allowed: true,
    }
}
