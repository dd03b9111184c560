//! `previewbot hosts prepare`: a machine is set up as a host.

use std::io::Write as _;

use super::known;
use crate::app::workshop::ssh_options;
use crate::domain::host::is_sandbox;
use crate::inbound::cli::CliError;
use crate::inbound::cli::arguments::{Egress, PrepareHostArguments};
use crate::outbound::ssh::{Preparation, SshHost, SshOptions, public_key};
use crate::settings::{Host, Settings};

/// Runs it on the machine, or prints what is to be run there.
pub(super) async fn run(settings: &Settings, arguments: &PrepareHostArguments) -> anyhow::Result<()> {
    let host = known(settings, &arguments.name)?;
    let key = match &host.identity_file {
        Some(identity) => Some(public_key(identity).await?),
        None => None,
    };
    let egress = arguments.egress.or(is_sandbox(&host.labels).then_some(Egress::Public));
    let preparation = Preparation {
        user: host.user.clone(),
        root: host.root().to_string_lossy().into_owned(),
        egress: egress.map(Egress::as_str),
        restart_docker: arguments.restart_docker,
        key,
    };
    let mut out = std::io::stdout();
    if arguments.print {
        return Ok(out.write_all(preparation.script()?.as_bytes())?);
    }
    let machine = SshHost::new(options(host, arguments));
    let prepared = preparation.run(&machine).await?;
    write!(out, "{}", prepared.told)?;
    if let Some(trouble) = prepared.trouble {
        return Err(CliError::Asked(format!("host {}: {trouble}", host.name)).into());
    }
    Ok(writeln!(out, "host {0} is prepared; see `previewbot hosts check {0}`", host.name)?)
}

/// How somebody logs in who is root there, or may be.
fn options(host: &Host, arguments: &PrepareHostArguments) -> SshOptions {
    let usual = ssh_options(host);
    let Some(user) = &arguments.user else {
        return SshOptions { identity_file: arguments.identity_file.clone().or(usual.identity_file), ..usual };
    };
    // The bot's own key is seldom root's.
    SshOptions { user: user.clone(), identity_file: arguments.identity_file.clone(), ..usual }
}
