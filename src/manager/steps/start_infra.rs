//! `start_infra`: starts the infrastructure's compose project with the allocated ports.

use async_trait::async_trait;

use crate::domain::error::{ErrorKind, PortError};
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct StartInfra;

#[async_trait]
impl Step for StartInfra {
    fn name(&self) -> &'static str {
        "start_infra"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        let mut fingerprint = Fingerprint::of(self.name());
        for (name, port) in &context.facts().await.ports {
            fingerprint = fingerprint.with(&format!("port of {name}"), port.to_string());
        }
        let Some(infrastructure) = &context.dependencies.config.infrastructure else {
            return fingerprint.inputs();
        };
        let Ok(access) = context.access().await else {
            return Inputs::Unknown;
        };
        match access.read_file(&infrastructure.compose_file).await {
            Ok(text) => fingerprint.with_optional(&infrastructure.compose_file, text).inputs(),
            Err(_) => Inputs::Unknown,
        }
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        let info = context.facts().await.compute.clone()?;
        Some(match context.dependencies.compute.is_running(&context.environment, &info).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PortError::new(ErrorKind::NotFound, "the infrastructure does not run").into()),
            Err(error) => Err(error.into()),
        })
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let (info, ports) = {
            let facts = context.facts().await;
            (facts.compute.clone().ok_or(StepFailure::Missing("compute"))?, facts.ports.clone())
        };
        let token = context.cancel().child_token();
        let work = context.dependencies.compute.start(&context.environment, &info, &ports, &token);
        context.within_limit("starting the infrastructure", work, &token).await?;
        Ok(Outputs::new())
    }
}
