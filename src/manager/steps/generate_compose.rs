//! `generate_compose`: writes the application's compose file, with `{{secrets.NAME}}` resolved.

use async_trait::async_trait;

use super::files;
use crate::domain::ports::FileToWrite;
use crate::domain::render::compose::{self, COMPOSE_FILE};
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct GenerateCompose;

/// The file without any secret.
pub(in crate::manager) async fn unresolved(context: &Context<'_>) -> Result<String, StepFailure> {
    let (manifest, store) = (context.manifest().await?, context.store().await);
    Ok(compose::render(&context.dependencies.config, &manifest, &store, None)?)
}

async fn generated(context: &Context<'_>) -> Result<Vec<FileToWrite>, StepFailure> {
    let (manifest, store, secrets) = (context.manifest().await?, context.store().await, context.secrets());
    let text = compose::render(&context.dependencies.config, &manifest, &store, Some(&secrets))?;
    Ok(vec![files::file(COMPOSE_FILE, &text, files::PRIVATE)])
}

#[async_trait]
impl Step for GenerateCompose {
    fn name(&self) -> &'static str {
        "generate_compose"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        // Secrets are no part of it: verifying compares the file itself.
        match unresolved(context).await {
            Ok(text) => Fingerprint::of(self.name()).with(COMPOSE_FILE, text).inputs(),
            Err(_) => Inputs::Unknown,
        }
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        Some(match generated(context).await {
            Ok(generated) => files::are_written(context, &generated).await,
            Err(failure) => Err(failure),
        })
    }

    async fn files(&self, context: &Context<'_>) -> Result<Option<Vec<FileToWrite>>, StepFailure> {
        generated(context).await.map(Some)
    }

    async fn run(&self, context: &Context<'_>, attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let generated = generated(context).await?;
        files::write(context, self.name(), attempt, generated).await?;
        Ok(Outputs::new())
    }
}
