//! `write_manifest`: hands the resolved environment to the runner phase, as `.previewctl.json` in the compute root.

use async_trait::async_trait;

use crate::domain::error::{ErrorKind, PortError};
use crate::domain::manifest::MANIFEST_FILE;
use crate::manager::context::Context;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct WriteManifest;

/// The manifest holds outputs, and outputs hold passwords.
const MODE: u32 = 0o600;

#[async_trait]
impl Step for WriteManifest {
    fn name(&self) -> &'static str {
        "write_manifest"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        context.manifest_inputs(self.name()).await
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        Some(is_written(context).await)
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let text = context.manifest().await?.to_text();
        context.access().await?.write_file(MANIFEST_FILE, Some(text.as_bytes()), MODE).await?;
        Ok(Outputs::new())
    }
}

async fn is_written(context: &Context<'_>) -> Result<(), StepFailure> {
    let text = context.manifest().await?.to_text();
    match context.access().await?.read_file(MANIFEST_FILE).await? {
        Some(found) if found == text.as_bytes() => Ok(()),
        _ => {
            let message = format!("{MANIFEST_FILE} is missing or was changed");
            Err(PortError::new(ErrorKind::NotFound, message).into())
        }
    }
}
