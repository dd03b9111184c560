//! `build_manifest`: resolves the environment.

use async_trait::async_trait;

use crate::domain::checkpoint::StepRecord;
use crate::domain::manifest::{self, Manifest, ManifestInputs};
use crate::domain::project::template::TemplateError;
use crate::manager::context::Context;
use crate::manager::hooks;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct BuildManifest;

pub(in crate::manager) async fn build(context: &Context<'_>) -> Result<Manifest, TemplateError> {
    let facts = context.facts().await;
    let inputs = ManifestInputs {
        environment: &context.environment,
        branch: &facts.branch,
        ports: Some(&facts.ports),
        outputs: Some(&facts.outputs),
        store: facts.entry.as_ref().map(|entry| &entry.env),
        enabled_services: facts.entry.as_ref().map_or(&[], |entry| entry.enabled_services.as_slice()),
    };
    let mut manifest = manifest::build(&context.dependencies.config, &inputs)?;
    manifest.mode = hooks::mode(&manifest.mode).to_owned();
    Ok(manifest)
}

#[async_trait]
impl Step for BuildManifest {
    fn name(&self) -> &'static str {
        "build_manifest"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        match build(context).await {
            Ok(manifest) => Context::manifest_inputs(self.name(), &manifest),
            Err(_) => Inputs::Unknown,
        }
    }

    async fn restore(&self, context: &Context<'_>, _record: &StepRecord) -> bool {
        let Ok(manifest) = build(context).await else {
            return false;
        };
        context.facts().await.manifest = Some(manifest);
        true
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let manifest = build(context).await?;
        context.facts().await.manifest = Some(manifest);
        Ok(Outputs::new())
    }
}
