//! `infra_start`, `infra_stop`, `infra_restart`, `infra_status`: the infrastructure's services one by one.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::ComputeAccessInfo;
use crate::domain::ports::{ContainerTarget, Part, UpRequest};
use crate::domain::service_state::{InfraRow, infra_rows};
use crate::manager::context::Context;
use crate::manager::step::StepFailure;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Starts services of the infrastructure, all of them where none is named.
    ///
    /// # Errors
    /// `NoInfrastructure`, `UnknownInfrastructureService`, `UnknownEnvironment`; services that do not come up.
    pub async fn infra_start(&self, environment: &str, services: &[String]) -> Result<(), ManagerError> {
        self.infrastructure(services)?;
        let context = self.open_existing(environment).await?;
        let start = async {
            let info = context.placed().await?;
            let ports = context.facts().await.ports.clone();
            let target = infrastructure_target(environment, &info, services);
            let request = UpRequest { target, ports: &ports, revisions: &BTreeMap::new() };
            let token = context.cancel().child_token();
            let work = self.dependencies.compute.up(&request, &token);
            Ok(context.within_limit("starting the infrastructure", work, &token).await?)
        };
        Ok(self.told(&context, "start_infra", start).await?)
    }

    /// Stops services of the infrastructure, all of them where none is named. Data is kept.
    ///
    /// # Errors
    /// `NoInfrastructure`, `UnknownInfrastructureService`, `UnknownEnvironment`; what cannot be stopped.
    pub async fn infra_stop(&self, environment: &str, services: &[String]) -> Result<(), ManagerError> {
        self.infrastructure(services)?;
        let context = self.open_existing(environment).await?;
        let stop = async {
            let info = context.placed().await?;
            let target = infrastructure_target(environment, &info, services);
            let token = context.cancel().child_token();
            let work = self.dependencies.compute.halt(&target, &token);
            Ok(context.within_limit("stopping the infrastructure", work, &token).await?)
        };
        Ok(self.told(&context, "stop_infra", stop).await?)
    }

    /// Stops services of the infrastructure and starts them again as they are, all of them where none is named.
    ///
    /// # Errors
    /// `NoInfrastructure`, `UnknownInfrastructureService`, `UnknownEnvironment`; services that do not come up.
    pub async fn infra_restart(&self, environment: &str, services: &[String]) -> Result<(), ManagerError> {
        self.infrastructure(services)?;
        let context = self.open_existing(environment).await?;
        let restart = async {
            let info = context.placed().await?;
            let target = infrastructure_target(environment, &info, services);
            let token = context.cancel().child_token();
            let work = self.dependencies.compute.restart(&target, &token);
            Ok(context.within_limit("restarting the infrastructure", work, &token).await?)
        };
        Ok(self.told(&context, "restart_infra", restart).await?)
    }

    /// A row for every service of the infrastructure's compose file, those without a container included.
    ///
    /// # Errors
    /// `UnknownEnvironment`; a compute that cannot be asked.
    pub async fn infra_status(&self, environment: &str) -> Result<Vec<InfraRow>, ManagerError> {
        let entry = self.existing(environment).await?;
        let known = self.infrastructure_services();
        let containers = match &entry.compute {
            Some(info) if !known.is_empty() => {
                self.dependencies.compute.containers(&infrastructure_target(environment, info, &[])).await?
            }
            _ => Vec::new(),
        };
        Ok(infra_rows(&known, &containers))
    }

    fn infrastructure_services(&self) -> BTreeSet<String> {
        let infrastructure = self.dependencies.config.infrastructure.iter();
        infrastructure.flat_map(|infrastructure| infrastructure.services.keys().cloned()).collect()
    }

    fn infrastructure(&self, services: &[String]) -> Result<(), ManagerError> {
        if self.dependencies.config.infrastructure.is_none() {
            return Err(ManagerError::NoInfrastructure);
        }
        let known = self.infrastructure_services();
        match services.iter().find(|service| !known.contains(*service)) {
            None => Ok(()),
            Some(service) => Err(ManagerError::UnknownInfrastructureService {
                service: service.clone(),
                known: known.into_iter().collect(),
            }),
        }
    }
}

const fn infrastructure_target<'a>(
    environment: &'a str,
    info: &'a ComputeAccessInfo,
    services: &'a [String],
) -> ContainerTarget<'a> {
    ContainerTarget { environment, info, part: Part::Infrastructure, services }
}

impl Context<'_> {
    /// Where the environment lives.
    pub(super) async fn placed(&self) -> Result<ComputeAccessInfo, StepFailure> {
        self.facts().await.compute.clone().ok_or(StepFailure::Missing("compute"))
    }
}
