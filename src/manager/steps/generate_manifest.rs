//! `generate_manifest`: rebuilds the manifest from the present configuration and entry, and writes it. It stands for
//! `build_manifest` and `write_manifest` in calls that name single steps.

use async_trait::async_trait;

use super::{build_manifest, files};
use crate::domain::checkpoint::RecordStatus;
use crate::domain::manifest::{MANIFEST_FILE, Manifest};
use crate::domain::ports::FileToWrite;
use crate::manager::context::Context;
use crate::manager::decide::Go;
use crate::manager::plan;
use crate::manager::step::{Attempt, Hashed, Inputs, Outputs, Step, StepFailure};

pub(super) struct GenerateManifest;

fn file(manifest: &Manifest) -> FileToWrite {
    files::file(MANIFEST_FILE, &manifest.to_text(), files::PRIVATE)
}

#[async_trait]
impl Step for GenerateManifest {
    fn name(&self) -> &'static str {
        "generate_manifest"
    }

    async fn files(&self, context: &Context<'_>) -> Result<Option<Vec<FileToWrite>>, StepFailure> {
        Ok(Some(vec![file(&build_manifest::build(context).await?)]))
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let manifest = build_manifest::build(context).await?;
        context.access().await?.write_files(&[file(&manifest)]).await?;
        for step in ["build_manifest", "write_manifest"] {
            if let Inputs::Hash(inputs) = Context::manifest_inputs(step, &manifest) {
                take_over(context, step, inputs).await?;
            }
        }
        context.facts().await.manifest = Some(manifest);
        Ok(Outputs::new())
    }
}

/// The record of a step whose work was done here says so; what was built on the manifest before is void.
async fn take_over(context: &Context<'_>, step: &str, inputs: Hashed) -> Result<(), StepFailure> {
    let Some(mut record) = context.record(step).await else { return Ok(()) };
    if record.is_completed() && record.fingerprint.as_ref() == Some(&inputs.hash) {
        return Ok(());
    }
    let go = Go { prior: Some(record.clone()), inputs: Some(inputs.clone()), why: crate::manager::Why::NoCache };
    let changed = go.changed();
    record.status = RecordStatus::Completed;
    record.error = None;
    record.fingerprint = Some(inputs.hash);
    record.inputs = inputs.parts;
    context.set_record(record).await;
    let mut void = plan::dependants(&context.dependencies.config, step, changed.as_ref());
    void.retain(|name| name != "write_manifest");
    context.invalidate(&void).await;
    Ok(())
}
