//! Commands on environments that people make at a terminal: the same Manager, the same store, and the person's own
//! repository.

mod bench;
mod change;
mod clean;
mod interchange;
mod logs;
mod look;
mod owner;
mod project;
mod running;
mod session;
mod shell;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::bot::{self, World};
use super::folders::Folders;
use crate::domain::cwd::{CwdError, resolve_cwd};
use crate::domain::entry::EnvironmentEntry;
use crate::domain::environment::Environment;
use crate::domain::ports::{Environments as _, FolderEnvironments as _, FolderProject};
use crate::inbound::cli::arguments::{
    InfraAction, RunPhase, ServiceAction, StatusArguments, StoreAction, TargetArguments,
};
use crate::inbound::cli::progress::{Style, TerminalProgress};
use crate::inbound::cli::status::Here;
use crate::inbound::cli::{CliError, Command, steps};
use crate::lifecycle;
use crate::settings::Settings;
use bench::Tools;
use project::LocalProject;
use session::Session;

/// Runs one command of the core; the exit code where it went well.
pub(super) async fn run(settings: Settings, world: World, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Ssh(arguments) => {
            Session::open(settings, world, arguments.target.clone()).await?.shell(&arguments).await
        }
        Command::Clean(arguments) => clean::run(&settings, &world, &arguments).await.map(|()| ExitCode::SUCCESS),
        command => Box::pin(of_project(settings, world, command)).await.map(|()| ExitCode::SUCCESS),
    }
}

/// The environment of this folder's project that `status` is about; `None` where the folder is of no project, or the
/// project has none of that name.
pub(super) async fn here(
    settings: Settings,
    world: World,
    arguments: &StatusArguments,
) -> anyhow::Result<Option<Here>> {
    let target = &arguments.target;
    if arguments.project.is_some() || LocalProject::find(target).await.is_err() {
        return Ok(None);
    }
    let session = Session::open(settings, world, target.clone()).await?;
    let named = arguments.name.is_some() || target.environment.is_some();
    let found = session.existing(arguments.name.as_deref(), target).await;
    let environment = match found {
        Ok(environment) => environment,
        Err(_) if named => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = session.mode_of(Some(&environment.called())).await?;
    let config = session.project.recalled(&mode).await?;
    let infrastructure = config.infrastructure.iter().flat_map(|i| i.services.keys().cloned()).collect();
    let proxy = config.runner.and_then(|runner| runner.compose).and_then(|compose| compose.proxy);
    let proxy_domain = proxy.map(|proxy| proxy.domain).unwrap_or_default();
    Ok(Some(Here { environment, infrastructure, proxy_domain }))
}

async fn of_project(settings: Settings, world: World, command: Command) -> anyhow::Result<()> {
    let open = |target: TargetArguments| Session::open(settings, world, target);
    match command {
        Command::Create(arguments) => open(arguments.target.clone()).await?.create(&arguments).await,
        Command::Delete(arguments) => open(arguments.target.clone()).await?.delete(&arguments).await,
        Command::Step(arguments) => open(arguments.target.clone()).await?.step(&arguments).await,
        Command::Refresh(arguments) => open(arguments.target.clone()).await?.refresh(&arguments).await,
        Command::Sync(arguments) => open(arguments.target.clone()).await?.sync(&arguments).await,
        Command::Logs(arguments) => open(arguments.target.clone()).await?.step_logs(&arguments).await,
        Command::Store(arguments) => {
            open(store_target(&arguments.action).clone()).await?.store(&arguments.action).await
        }
        Command::Infra(arguments) => {
            open(infra_target(&arguments.action).clone()).await?.infra(&arguments.action).await
        }
        Command::Service(arguments) => {
            let session = open(service_target(&arguments.action).clone()).await?;
            Box::pin(session.service(&arguments.action)).await
        }
        Command::Import(arguments) => open(arguments.target.clone()).await?.import(&arguments).await,
        Command::Export(arguments) => open(arguments.target.clone()).await?.export(&arguments).await,
        Command::Core(arguments) => open(arguments.target.clone()).await?.core(&arguments).await,
        Command::Run(arguments) => match arguments.phase {
            RunPhase::Provision { ref target, .. } => {
                open(target.clone()).await?.provision(&arguments.phase).await
            }
            RunPhase::Runner { ref target, .. } => open(target.clone()).await?.runner(&arguments.phase).await,
        },
        Command::Steps(arguments) => {
            let session = open(arguments.target.clone()).await?;
            let environment = session.existing(arguments.name.as_deref(), &arguments.target).await?;
            let config = session.project.recalled(&session.mode_of(Some(&environment.called())).await?).await?;
            let state = session.state(&environment);
            let mut out = std::io::stdout();
            Ok(steps::run(&environment, &config, &state, &arguments, &mut out).await?)
        }
        _ => anyhow::bail!("this is no command on an environment"),
    }
}

const fn store_target(action: &StoreAction) -> &TargetArguments {
    match action {
        StoreAction::Set { target, .. } | StoreAction::Get { target, .. } | StoreAction::List { target, .. } => {
            target
        }
    }
}

const fn infra_target(action: &InfraAction) -> &TargetArguments {
    match action {
        InfraAction::Start(arguments) | InfraAction::Stop(arguments) | InfraAction::Restart(arguments) => {
            &arguments.target
        }
        InfraAction::Status { target, .. } => target,
        InfraAction::Logs(arguments) => &arguments.target,
    }
}

const fn service_target(action: &ServiceAction) -> &TargetArguments {
    match action {
        ServiceAction::Start(arguments) | ServiceAction::Stop(arguments) | ServiceAction::Restart(arguments) => {
            &arguments.target
        }
        ServiceAction::List { target, .. } => target,
        ServiceAction::Logs(arguments) => &arguments.target,
    }
}

impl Session {
    /// Opens the store and finds the project.
    pub(super) async fn open(settings: Settings, world: World, target: TargetArguments) -> anyhow::Result<Self> {
        let project = LocalProject::find(&target).await?;
        let store = bot::open_terminal_store(&settings, &world).await?;
        let folders = Folders::new(&settings.data_dir);
        folders.make().with_context(|| format!("cannot use {}", settings.data_dir.display()))?;
        let known = project_row(&store, &project).await?;
        let style = Style::of_process(target.ci, |name| std::env::var(name).ok());
        let tools = Tools {
            settings: Arc::new(settings),
            folders,
            store,
            clock: world.clock.clone(),
            machine: super::workshop::machine_name(),
        };
        Ok(Self {
            tools,
            project,
            known,
            mode: target.mode,
            progress: Arc::new(TerminalProgress::new(style)),
            cancel: lifecycle::stop_on_signals()?,
        })
    }

    /// The environment that a command is about: the named one, else the one that the working directory is in.
    pub(super) async fn named(&self, name: Option<&str>, target: &TargetArguments) -> anyhow::Result<String> {
        if let Some(name) = name.or(target.environment.as_deref()) {
            return Ok(name.to_owned());
        }
        Ok(self.here().await?.map_err(CliError::from)?)
    }

    /// The same for one that must exist.
    pub(super) async fn existing(
        &self,
        name: Option<&str>,
        target: &TargetArguments,
    ) -> anyhow::Result<Environment> {
        let name = self.named(name, target).await?;
        let environment = self.environment(&name).await?.filter(|environment| environment.entry.is_some());
        environment.ok_or_else(|| CliError::NoEnvironment(name).into())
    }

    /// The environment whose folder the working directory is in.
    async fn here(&self) -> anyhow::Result<Result<String, CwdError>> {
        self.environment_in(&self.project.at).await
    }

    /// The environment whose folder this is, or is above this one.
    pub(super) async fn environment_in(&self, folder: &Path) -> anyhow::Result<Result<String, CwdError>> {
        let environments = self.tools.store.list(false).await?;
        let own = environments.into_iter().filter(|environment| environment.project.id == self.known.project.id);
        let entries: Vec<EnvironmentEntry> = own.filter_map(|environment| environment.entry).collect();
        let canonical = |path: &str| {
            std::fs::canonicalize(path).map_or_else(|_| path.to_owned(), |p| p.to_string_lossy().into_owned())
        };
        let found = resolve_cwd(&folder.to_string_lossy(), &entries, &canonical);
        Ok(found.map(|entry| entry.name.clone()))
    }
}

/// The project's row, made when the folder is first used.
async fn project_row(
    store: &crate::outbound::store::Store,
    project: &LocalProject,
) -> anyhow::Result<FolderProject> {
    if let Some(known) = store.folder_project(&project.identity).await? {
        return Ok(known);
    }
    let config = project.recalled("local").await?;
    Ok(store.ensure_folder_project(&project.identity, &config.name).await?)
}
