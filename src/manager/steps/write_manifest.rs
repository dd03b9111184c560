//! `write_manifest`: hands the resolved environment to the runner phase, as `.previewctl.json` in the compute root.

use async_trait::async_trait;

use super::files;
use crate::domain::manifest::MANIFEST_FILE;
use crate::domain::ports::FileToWrite;
use crate::manager::context::Context;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct WriteManifest;

/// The manifest holds outputs, and outputs hold passwords.
async fn file(context: &Context<'_>) -> Result<Vec<FileToWrite>, StepFailure> {
    Ok(vec![files::file(MANIFEST_FILE, &context.manifest().await?.to_text(), files::PRIVATE)])
}

#[async_trait]
impl Step for WriteManifest {
    fn name(&self) -> &'static str {
        "write_manifest"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        match context.manifest().await {
            Ok(manifest) => Context::manifest_inputs(self.name(), &manifest),
            Err(_) => Inputs::Unknown,
        }
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        Some(match file(context).await {
            Ok(file) => files::are_written(context, &file).await,
            Err(failure) => Err(failure),
        })
    }

    async fn files(&self, context: &Context<'_>) -> Result<Option<Vec<FileToWrite>>, StepFailure> {
        file(context).await.map(Some)
    }

    async fn run(&self, context: &Context<'_>, attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let file = file(context).await?;
        files::write(context, self.name(), attempt, file).await?;
        Ok(Outputs::new())
    }
}
