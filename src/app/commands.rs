//! Which command needs which ports.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;

use super::bot::{self, Bot, World};
use crate::demo::site::{self, SiteOptions};
use crate::domain::error::PortError;
use crate::domain::project::load::{LoadError, Request};
use crate::inbound::cli::arguments::{DeliverArguments, ExplainArguments, StatusArguments, VetArguments};
use crate::inbound::cli::deliver::{self, Parcel};
use crate::inbound::cli::{
    Cli, CliError, Command, diagnostics, explain, findings, jobs, list, manual, port_exit_code, status, vet,
};
use crate::lifecycle;
use crate::outbound::clock::{OsRandom, SystemClock};
use crate::outbound::project_folder::ProjectFolder;
use crate::outbound::store::Serving;
use crate::settings::Settings;

pub(super) fn world() -> World {
    World { clock: std::sync::Arc::new(SystemClock), random: std::sync::Arc::new(OsRandom) }
}

/// Runs one command; the exit code where it went well.
pub(super) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = cli.config.clone();
    let config = config.as_deref();
    if cli.command.is_of_terminal() {
        let settings = Settings::load_at_terminal(config, std::env::vars())?;
        return Box::pin(super::terminal::run(settings, world(), cli.command)).await;
    }
    of_bot(cli, config).await.map(|()| ExitCode::SUCCESS)
}

async fn of_bot(cli: Cli, config: Option<&std::path::Path>) -> anyhow::Result<()> {
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
            let store =
                bot::open_store(&Settings::load_at_terminal(config, std::env::vars())?, &world(), Serving::No)
                    .await?;
            Ok(list::run(&store, &arguments, &mut std::io::stdout().lock()).await?)
        }
        Command::Status(arguments) => {
            status(Settings::load_at_terminal(config, std::env::vars())?, &arguments).await
        }
        Command::Jobs(arguments) => {
            let store =
                bot::open_store(&Settings::load_at_terminal(config, std::env::vars())?, &world(), Serving::No)
                    .await?;
            Ok(jobs::run(&store, &arguments, &mut std::io::stdout().lock()).await?)
        }
        Command::Hosts(arguments) => super::hosts::run(config, arguments.action, &world()).await,
        Command::Doctor(arguments) => {
            let findings = super::doctor::examine(config, &world()).await;
            Ok(findings::print(&findings, arguments.json, &mut std::io::stdout().lock())?)
        }
        Command::Vet(arguments) => vet(&arguments).await,
        Command::Completions(arguments) => {
            manual::completions(arguments.shell, &mut std::io::stdout());
            Ok(())
        }
        Command::Man(arguments) => Ok(manual::pages(arguments.folder.as_deref(), &mut std::io::stdout())?),
        _ => anyhow::bail!("this is a command on environments"),
    }
}

/// The exit code for an error, as the help text lists them.
pub(super) fn exit_code(error: &anyhow::Error) -> u8 {
    let of_command = error.downcast_ref::<CliError>().map(CliError::exit_code);
    let of_port = || error.downcast_ref::<PortError>().map(port_exit_code);
    let of_configuration = || error.downcast_ref::<LoadError>().map(|_| 3);
    of_command.or_else(of_port).or_else(of_configuration).unwrap_or(1)
}

/// Draws the problems of a configuration that was refused; `None` for every other error.
pub(super) fn show_problems(error: &anyhow::Error) -> Option<ExitCode> {
    let Some(LoadError::Refused(refused)) = error.downcast_ref::<LoadError>() else { return None };
    let mut errors = std::io::stderr();
    let colour = errors.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Where nobody reads, the exit code still tells.
    let _ = diagnostics::print(&refused.problems, &refused.sources, colour, &mut errors);
    Some(ExitCode::from(3))
}

async fn status(settings: Settings, arguments: &StatusArguments) -> anyhow::Result<()> {
    let here = Box::pin(super::terminal::here(settings.clone(), world(), arguments)).await?;
    let store = bot::open_store(&settings, &world(), Serving::No).await?;
    Ok(status::run(&store, arguments, here, &mut std::io::stdout().lock()).await?)
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
            let store = bot::open_store(&load()?, &world(), Serving::No).await?;
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

async fn vet(arguments: &VetArguments) -> anyhow::Result<()> {
    let start = arguments.project.clone().map_or_else(std::env::current_dir, Ok)?;
    let folder = ProjectFolder::find(&start)?;
    let root = folder.root().to_string_lossy();
    // Which secrets there are is known to the bot's settings alone.
    let request = Request { mode: &arguments.mode, root: &root, secrets: None };
    let terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let form = if arguments.json {
        vet::Form::Json
    } else if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        vet::Form::Annotated
    } else {
        vet::Form::Drawn
    };
    let options = vet::Options { form, strict: arguments.strict, colour: terminal };
    let mut out = std::io::stdout();
    match vet::run(&request, (&folder, &folder), options, &mut out).await? {
        vet::Verdict::Passed => Ok(out.flush()?),
        vet::Verdict::Failed => Err(CliError::NotPassed(root.into_owned()).into()),
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
