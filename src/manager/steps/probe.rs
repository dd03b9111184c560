//! `probe`: the preview is ready when its published URL answers. It has no record: it is asked every time.

use async_trait::async_trait;

use crate::domain::error::ErrorKind;
use crate::domain::project::ProjectConfig;
use crate::manager::context::Context;
use crate::manager::step::{Attempt, Checkpoint, Outputs, Rules, Step, StepFailure};

pub(super) struct Probe;

/// The service to ask: the configured one, else the first that is shown, else the first service.
pub(in crate::manager) fn target(config: &ProjectConfig) -> Option<&str> {
    let configured = Some(&config.preview.probe.service).filter(|service| !service.is_empty());
    let service = configured.or_else(|| config.preview.urls.first()).or_else(|| config.services.keys().next());
    service.map(String::as_str)
}

#[async_trait]
impl Step for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn rules(&self) -> Rules {
        Rules { checkpoint: Checkpoint::None, ..Rules::default() }
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let config = &context.dependencies.config;
        let (Some(probe), Some(service)) = (&context.dependencies.probe, target(config)) else {
            return Ok(Outputs::new());
        };
        let (ports, log_tail) = {
            let facts = context.facts().await;
            (facts.ports.clone(), facts.last_log.clone())
        };
        let url = context.dependencies.networking.service_url(&ports, &context.environment, service)?;
        let url = format!("{}/{}", url.trim_end_matches('/'), config.preview.probe.path.trim_start_matches('/'));
        probe.wait_ready(&url, config.preview.probe.timeout, context.cancel()).await.map_err(
            |error| match error.kind() {
                ErrorKind::Cancelled | ErrorKind::Fenced => StepFailure::Port(error),
                _ => StepFailure::NotReady { service: service.to_owned(), source: error, log_tail },
            },
        )?;
        Ok(Outputs::new())
    }
}
