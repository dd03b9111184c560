//! `generate_nginx`: writes the proxy's configuration and its error pages.

use async_trait::async_trait;

use super::files;
use crate::domain::ports::FileToWrite;
use crate::domain::render::error_pages;
use crate::domain::render::nginx::{self, NGINX_FILE};
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct GenerateNginx;

/// The files; none where the proxy is off. The proxy's own account must be able to read them.
pub(in crate::manager) async fn generated(context: &Context<'_>) -> Result<Vec<FileToWrite>, StepFailure> {
    let manifest = context.manifest().await?;
    let Some(text) = nginx::render(&context.dependencies.config, &manifest)? else { return Ok(Vec::new()) };
    let mut generated = vec![files::file(NGINX_FILE, &text, files::READABLE)];
    for (name, text) in error_pages::render(&manifest.env_name) {
        generated.push(files::file(&format!("{}/{name}", error_pages::FOLDER), &text, files::READABLE));
    }
    Ok(generated)
}

#[async_trait]
impl Step for GenerateNginx {
    fn name(&self) -> &'static str {
        "generate_nginx"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        let Ok(generated) = generated(context).await else { return Inputs::Unknown };
        let mut fingerprint = Fingerprint::of(self.name());
        for file in generated {
            fingerprint = fingerprint.with(&file.path, file.data.unwrap_or_default());
        }
        fingerprint.inputs()
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
