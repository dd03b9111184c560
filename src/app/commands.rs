//! Which command needs which ports.

use std::io::Write as _;

use anyhow::Context as _;

use super::bot::{self, Bot, World};
use crate::demo::site::{self, SiteOptions};
use crate::inbound::cli::deliver::{self, Parcel};
use crate::inbound::cli::{Cli, Command, DeliverArguments, ExplainArguments, explain, jobs, list, status};
use crate::lifecycle;
use crate::outbound::clock::{OsRandom, SystemClock};
use crate::settings::Settings;

pub(super) fn world() -> World {
    World { clock: std::sync::Arc::new(SystemClock), random: std::sync::Arc::new(OsRandom) }
}

/// Runs one command.
pub(super) async fn run(cli: Cli) -> anyhow::Result<()> {
    let config = cli.config.as_deref();
    let load = || Settings::load(config, std::env::vars());
    match cli.command {
        Command::Serve => serve(load()?).await,
        Command::Demo(arguments) => super::demo::run(arguments.once).await,
        Command::DemoSite(arguments) => {
            let options = SiteOptions { listen: arguments.listen, root: arguments.root, notes: arguments.notes };
            Ok(site::serve(options).await?)
        }
        Command::Explain(arguments) => explain(load, &arguments).await,
        Command::Deliver(arguments) => deliver(&load()?, arguments).await,
        Command::List(arguments) => {
            let store = bot::open_store(&load()?, &world(), false).await?;
            Ok(list::run(&store, &arguments, &mut std::io::stdout().lock()).await?)
        }
        Command::Status(arguments) => {
            let store = bot::open_store(&load()?, &world(), false).await?;
            Ok(status::run(&store, &arguments, &mut std::io::stdout().lock()).await?)
        }
        Command::Jobs(arguments) => {
            let store = bot::open_store(&load()?, &world(), false).await?;
            Ok(jobs::run(&store, &arguments, &mut std::io::stdout().lock()).await?)
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let stop = lifecycle::stop_on_signals()?;
    let bot = Bot::start(settings, world()).await?;
    tracing::info!(address = %bot.address(), "previewbot serves");
    stop.cancelled().await;
    bot.stop().await;
    Ok(())
}

async fn explain(
    load: impl FnOnce() -> Result<Settings, crate::settings::SettingsError>,
    arguments: &ExplainArguments,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match (&arguments.delivery, &arguments.event, &arguments.payload) {
        (Some(id), _, _) => {
            let store = bot::open_store(&load()?, &world(), false).await?;
            Ok(explain::stored(&store, id, arguments.json, &mut out).await?)
        }
        (None, Some(event), Some(file)) => {
            let body = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok(explain::payload(event, &body, arguments.json, &mut out)?)
        }
        // The argument parser asks for one of the two.
        _ => anyhow::bail!("give a delivery id, or --event and --payload"),
    }
}

async fn deliver(settings: &Settings, arguments: DeliverArguments) -> anyhow::Result<()> {
    let github = settings.github.as_ref().context("[github] is not set: there is no secret to sign with")?;
    let body = std::fs::read(&arguments.payload)
        .with_context(|| format!("cannot read {}", arguments.payload.display()))?;
    let parcel = Parcel {
        url: arguments.url.unwrap_or_else(|| format!("http://{}/webhooks/github", settings.server.listen)),
        event: arguments.event,
        id: arguments.id.unwrap_or_else(|| world().random.uuid().to_string()),
        body,
        secret: github.credentials()?.webhook_secret,
    };
    let mut out = std::io::stdout();
    deliver::run(parcel, &mut out).await?;
    Ok(out.flush()?)
}
