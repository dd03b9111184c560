//! `start_services`: starts the application's enabled services, and the proxy where it is on.

use async_trait::async_trait;

use super::{application, generate_compose};
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::ports::{ContainerTarget, Part, UpRequest};
use crate::domain::service_state::status_word;
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct StartServices;

async fn inputs(context: &Context<'_>, step: &str) -> Result<Inputs, StepFailure> {
    let services = application::to_run(context).await?;
    let mut fingerprint = Fingerprint::of(step)
        .with("services", services.join("\n"))
        .with("compose file", generate_compose::unresolved(context).await?);
    for (service, revision) in application::revisions(context, &services).await? {
        fingerprint = fingerprint.with(&format!("code of {service}"), revision);
    }
    Ok(fingerprint.inputs())
}

#[async_trait]
impl Step for StartServices {
    fn name(&self) -> &'static str {
        "start_services"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        inputs(context, self.name()).await.unwrap_or(Inputs::Unknown)
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        Some(are_running(context).await)
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let services = application::to_run(context).await?;
        let revisions = application::revisions(context, &services).await?;
        let (info, ports) = {
            let facts = context.facts().await;
            (facts.compute.clone().ok_or(StepFailure::Missing("compute"))?, facts.ports.clone())
        };
        let target = ContainerTarget {
            environment: &context.environment,
            info: &info,
            part: Part::Application,
            services: &services,
        };
        if services.is_empty() {
            return Ok(Outputs::new());
        }
        let request = UpRequest { target, ports: &ports, revisions: &revisions };
        let token = context.cancel().child_token();
        let work = context.dependencies.compute.up(&request, &token);
        context.within_limit("starting the application", work, &token).await?;
        Ok(Outputs::new())
    }
}

async fn are_running(context: &Context<'_>) -> Result<(), StepFailure> {
    let services = application::to_run(context).await?;
    let info = context.facts().await.compute.clone().ok_or(StepFailure::Missing("compute"))?;
    let target = ContainerTarget {
        environment: &context.environment,
        info: &info,
        part: Part::Application,
        services: &services,
    };
    if services.is_empty() {
        return Ok(());
    }
    let containers = context.dependencies.compute.containers(&target).await?;
    for service in &services {
        let mut own = containers.iter().filter(|container| container.service == *service).peekable();
        let state = own.peek().map_or("missing", |container| status_word(&container.state)).to_owned();
        if state != "running"
            || own.any(|container| container.state != "running" || container.health == "unhealthy")
        {
            let message = format!("service {service} does not run: {state}");
            return Err(PortError::new(ErrorKind::NotFound, message).into());
        }
    }
    Ok(())
}
