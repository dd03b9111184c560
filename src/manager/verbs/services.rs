//! `services`, `service_start`, `service_stop`, `service_restart`: which of the application's services run.

use super::deployed::Deployed;
use crate::domain::ports::{ContainerTarget, Part};
use crate::domain::project::ServiceConfig;
use crate::domain::service_state::{ServiceRow, status_word};
use crate::manager::context::Context;
use crate::manager::plan::{self, StepId};
use crate::manager::steps;
use crate::manager::walk::walk;
use crate::manager::{Manager, ManagerError, StepError};

impl Manager {
    /// Every service of the project, by name.
    ///
    /// # Errors
    /// `UnknownEnvironment`; a compute that cannot be asked.
    pub async fn services(&self, environment: &str) -> Result<Vec<ServiceRow>, ManagerError> {
        let context = self.open_existing(environment).await?;
        let config = &self.dependencies.config;
        let enabled = steps::enabled(&context).await;
        let (info, ports) = {
            let facts = context.facts().await;
            (facts.compute.clone(), facts.ports.clone())
        };
        let containers = match &info {
            Some(info) => {
                let target = ContainerTarget { environment, info, part: Part::Application, services: &[] };
                self.dependencies.compute.containers(&target).await?
            }
            None => Vec::new(),
        };
        let in_containers = config.runner.as_ref().is_some_and(|runner| runner.compose.is_some());
        let row = |(name, service): (&String, &ServiceConfig)| {
            let own = containers.iter().find(|container| container.service == *name);
            let state = own.map_or("missing", |container| status_word(&container.state));
            ServiceRow {
                service: name.clone(),
                enabled: enabled.contains(name),
                state: (in_containers && !service.start.is_empty()).then(|| state.to_owned()),
                port: ports.get(name).copied(),
            }
        };
        Ok(config.services.iter().map(row).collect())
    }

    /// Enables a service and starts it: what the application's steps were done from changed, and they follow.
    ///
    /// # Errors
    /// `NoApplication`, `UnknownApplicationService`, `NotStartable`, `UnknownEnvironment`; the first failing step.
    pub async fn service_start(&self, environment: &str, service: &str) -> Result<Deployed, ManagerError> {
        self.startable(service)?;
        let context = self.open_existing(environment).await?;
        context.update(|entry| entry.enable_service(service)).await?;
        let mut ids = vec![StepId::BuildManifest, StepId::WriteManifest];
        ids.extend(plan::application_steps(&self.dependencies.config, self.has_env()));
        self.dependencies.progress.on_plan(&plan::names(&ids)).await;
        walk(&context, &ids).await?;
        Ok(Deployed::of(&context).await)
    }

    /// Disables a service and stops it. Stopping one that does not run is fine.
    ///
    /// # Errors
    /// `NoApplication`, `UnknownApplicationService`, `UnknownEnvironment`; what could not be stopped; the first failing
    /// step.
    pub async fn service_stop(&self, environment: &str, service: &str) -> Result<Deployed, ManagerError> {
        self.application_service(service)?;
        let context = self.open_existing(environment).await?;
        context.update(|entry| entry.disable_service(service)).await?;
        if context.facts().await.compute.is_none() {
            return Ok(Deployed::of(&context).await);
        }
        let mut ids = vec![StepId::BuildManifest, StepId::WriteManifest];
        let done = context.facts().await.entry.clone().unwrap_or_default();
        // What was not done yet does not begin because of a stop.
        let follows = |id: &StepId| done.step_completed(&id.name());
        let application = plan::application_steps(&self.dependencies.config, self.has_env());
        ids.extend(application.into_iter().filter(follows));
        ids.retain(|id| follows(id) || *id == StepId::BuildManifest);
        self.dependencies.progress.on_plan(&plan::names(&ids)).await;
        self.told(&context, "stop_service", self.halt(&context, service)).await?;
        walk(&context, &ids).await?;
        Ok(Deployed::of(&context).await)
    }

    /// Stops a service's containers and starts them again as they are.
    ///
    /// # Errors
    /// `NoApplication`, `UnknownApplicationService`, `UnknownEnvironment`; a service that does not come up.
    pub async fn service_restart(&self, environment: &str, service: &str) -> Result<(), ManagerError> {
        self.startable(service)?;
        let context = self.open_existing(environment).await?;
        Ok(self.restart_application(&context, &[service.to_owned()]).await?)
    }

    /// Restarts services of the application, told as the step `restart_services`.
    pub(super) async fn restart_application(
        &self,
        context: &Context<'_>,
        services: &[String],
    ) -> Result<(), StepError> {
        self.told(context, "restart_services", async {
            let info = context.placed().await?;
            let target = ContainerTarget {
                environment: &context.environment,
                info: &info,
                part: Part::Application,
                services,
            };
            let token = context.cancel().child_token();
            let work = self.dependencies.compute.restart(&target, &token);
            Ok(context.within_limit("restarting services", work, &token).await?)
        })
        .await
    }

    async fn halt(&self, context: &Context<'_>, service: &str) -> Result<(), crate::manager::StepFailure> {
        let info = context.placed().await?;
        let services = [service.to_owned()];
        let target = ContainerTarget {
            environment: &context.environment,
            info: &info,
            part: Part::Application,
            services: &services,
        };
        let token = context.cancel().child_token();
        let work = self.dependencies.compute.halt(&target, &token);
        Ok(context.within_limit("stopping the service", work, &token).await?)
    }

    fn application_service(&self, service: &str) -> Result<&ServiceConfig, ManagerError> {
        let config = &self.dependencies.config;
        if config.runner.as_ref().is_none_or(|runner| runner.compose.is_none()) {
            return Err(ManagerError::NoApplication);
        }
        config.services.get(service).ok_or_else(|| ManagerError::UnknownApplicationService {
            service: service.to_owned(),
            known: config.services.keys().cloned().collect(),
        })
    }

    fn startable(&self, service: &str) -> Result<(), ManagerError> {
        match self.application_service(service)?.start.as_str() {
            "" => Err(ManagerError::NotStartable(service.to_owned())),
            _ => Ok(()),
        }
    }
}
