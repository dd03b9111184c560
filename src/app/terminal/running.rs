//! Commands on environments that run: single steps, the store, infrastructure and services.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context as _;

use super::session::{After, Held, Hold, Session};
use crate::domain::ports::{LineSink, LogRequest, Part};
use crate::inbound::cli::CliError;
use crate::inbound::cli::arguments::{
    InfraAction, LogsArguments, OneServiceArguments, RefreshArguments, ServiceAction, ServicesArguments,
    StepArguments, StoreAction, SyncArguments, TargetArguments,
};
use crate::inbound::cli::create::told;
use crate::inbound::cli::running;
use crate::manager::{Manager, ManagerError, RefreshScope};

impl Session {
    /// Holds an environment for something that leaves it what it should be.
    async fn tend<T>(
        &self,
        name: &str,
        command: String,
        work: impl AsyncFnOnce(&Held) -> Result<T, ManagerError>,
    ) -> anyhow::Result<T> {
        let hold = Hold { name, command, desired: None, make: false, no_cache: false, marks_errors: false };
        self.hold(hold, async |held| Ok((work(held).await?, After::Nothing))).await
    }

    /// Does something with services, whose names are one or some.
    async fn tend_services<S: ?Sized, T>(
        &self,
        command: &str,
        target: &TargetArguments,
        services: &S,
        work: impl AsyncFnOnce(&Manager, &str, &S) -> Result<T, ManagerError>,
    ) -> anyhow::Result<()> {
        let name = self.called(None, target).await?;
        self.tend(&name, command.to_owned(), async |held| work(&held.manager, &name, services).await).await?;
        Ok(())
    }

    async fn called(&self, name: Option<&str>, target: &TargetArguments) -> anyhow::Result<String> {
        Ok(self.existing(name, target).await?.called())
    }

    pub(super) async fn refresh(&self, arguments: &RefreshArguments) -> anyhow::Result<()> {
        let name = self.called(arguments.name.as_deref(), &arguments.target).await?;
        let scope = RefreshScope { only: &arguments.only, from: arguments.from.as_deref() };
        self.tend(&name, "refresh".to_owned(), async |held| held.manager.refresh(&name, scope).await).await?;
        told(&format!("{name} is refreshed"));
        Ok(())
    }

    pub(super) async fn sync(&self, arguments: &SyncArguments) -> anyhow::Result<()> {
        let name = self.called(arguments.name.as_deref(), &arguments.target).await?;
        self.tend(&name, "sync".to_owned(), async |held| held.manager.sync(&name).await).await?;
        told(&format!("{name} runs with its present configuration"));
        Ok(())
    }

    pub(super) async fn step(&self, arguments: &StepArguments) -> anyhow::Result<()> {
        let environment = self.existing(None, &arguments.target).await?;
        let name = environment.called();
        if arguments.print || arguments.dry_run {
            let preview = self.looking(&environment, false).await?.preview_step(&name, &arguments.step).await;
            let preview = preview.map_err(CliError::from)?;
            let text = if arguments.print { preview.text() } else { preview.difference() };
            std::io::stdout().write_all(text.as_bytes())?;
            return Ok(());
        }
        let steps = [arguments.step.clone()];
        let command = format!("step {}", arguments.step);
        self.tend(&name, command, async |held| held.manager.run_steps(&name, &steps).await).await?;
        Ok(())
    }

    pub(super) async fn store(&self, action: &StoreAction) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        match action {
            StoreAction::Set { values, target } => {
                let name = self.called(None, target).await?;
                let pair = |text: &String| {
                    let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
                    pair.with_context(|| format!("`{text}` is no KEY=VALUE"))
                };
                let values: BTreeMap<String, String> = values.iter().map(pair).collect::<anyhow::Result<_>>()?;
                self.tend(&name, "store set".to_owned(), async |held| held.manager.store_set(&name, &values).await)
                    .await
            }
            StoreAction::Get { key, target } => {
                let environment = self.existing(None, target).await?;
                let value = self.looking(&environment, false).await?.store_get(&environment.called(), key).await;
                Ok(writeln!(out, "{}", value.map_err(CliError::from)?)?)
            }
            StoreAction::List { json, target } => {
                let environment = self.existing(None, target).await?;
                let values = self.looking(&environment, false).await?.store_list(&environment.called()).await;
                let values = values.map_err(CliError::from)?;
                Ok(running::values(&values, *json, &mut out)?)
            }
        }
    }

    pub(super) async fn infra(&self, action: &InfraAction) -> anyhow::Result<()> {
        match action {
            InfraAction::Start(ServicesArguments { services, target }) => {
                self.tend_services("infra start", target, services.as_slice(), Manager::infra_start).await
            }
            InfraAction::Stop(ServicesArguments { services, target }) => {
                self.tend_services("infra stop", target, services.as_slice(), Manager::infra_stop).await
            }
            InfraAction::Restart(ServicesArguments { services, target }) => {
                self.tend_services("infra restart", target, services.as_slice(), Manager::infra_restart).await
            }
            InfraAction::Status { json, target } => {
                let environment = self.existing(None, target).await?;
                let rows = self.looking(&environment, false).await?.infra_status(&environment.called()).await;
                let rows = rows.map_err(CliError::from)?;
                Ok(running::infrastructure(&rows, *json, &mut std::io::stdout())?)
            }
            InfraAction::Logs(arguments) => self.logs(Part::Infrastructure, arguments).await,
        }
    }

    pub(super) async fn service(&self, action: &ServiceAction) -> anyhow::Result<()> {
        match action {
            ServiceAction::Start(OneServiceArguments { service, target }) => {
                let command = format!("service start {service}");
                self.tend_services(&command, target, service.as_str(), Manager::service_start).await
            }
            ServiceAction::Stop(OneServiceArguments { service, target }) => {
                let command = format!("service stop {service}");
                self.tend_services(&command, target, service.as_str(), Manager::service_stop).await
            }
            ServiceAction::Restart(OneServiceArguments { service, target }) => {
                let command = format!("service restart {service}");
                self.tend_services(&command, target, service.as_str(), Manager::service_restart).await
            }
            ServiceAction::List { json, target } => {
                let environment = self.existing(None, target).await?;
                let rows = self.looking(&environment, false).await?.services(&environment.called()).await;
                let rows = rows.map_err(CliError::from)?;
                Ok(running::services(&rows, *json, &mut std::io::stdout())?)
            }
            ServiceAction::Logs(arguments) => self.logs(Part::Application, arguments).await,
        }
    }

    async fn logs(&self, part: Part, arguments: &LogsArguments) -> anyhow::Result<()> {
        let environment = self.existing(None, &arguments.target).await?;
        let request = LogRequest {
            services: arguments.services.clone(),
            follow: arguments.follow,
            since: arguments.since.clone(),
            until: arguments.until.clone(),
            tail: arguments.tail,
            head: arguments.head,
            timestamps: arguments.timestamps,
            no_color: arguments.no_color,
            ..LogRequest::of(part)
        };
        let manager = self.looking(&environment, false).await?;
        let logs = manager.logs(&environment.called(), &request, &Printed).await;
        match logs {
            // Who ends a log that is followed has seen enough.
            Err(error) if error.is_cancelled() => Ok(()),
            logs => Ok(logs.map_err(CliError::from)?),
        }
    }
}

/// Lines as they come, until nobody reads them.
struct Printed;

impl LineSink for Printed {
    fn line(&self, line: &str) -> bool {
        writeln!(std::io::stdout(), "{}", running::line(line)).is_ok()
    }
}
