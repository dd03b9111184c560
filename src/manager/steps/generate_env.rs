//! `generate_env`: writes the services' env files, with `{{secrets.NAME}}` resolved.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::files;
use crate::domain::checkpoint::StepRecord;
use crate::domain::ports::FileToWrite;
use crate::domain::project::template;
use crate::domain::render::env_file;
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct GenerateEnv;

/// The env files that a record says were written; `None` where it does not say (the Go tool's records).
pub(in crate::manager) fn written_files(record: &StepRecord) -> Option<BTreeSet<String>> {
    serde_json::from_value(record.outputs.get("files")?.clone()).ok()
}

/// The files, by path.
async fn env_files(context: &Context<'_>) -> Result<Vec<FileToWrite>, StepFailure> {
    let secrets = context.secrets();
    let mut generated = Vec::new();
    for (path, variables) in context.manifest().await?.env_files() {
        let mut rendered = BTreeMap::new();
        for (key, value) in variables {
            let value = template::render_secrets(&value, &secrets).map_err(|mut error| {
                error.place.get_or_insert_with(|| format!("{path}, {key}"));
                error
            })?;
            rendered.insert(key, value);
        }
        generated.push(files::file(&path, &env_file::render(&rendered), files::PRIVATE));
    }
    Ok(generated)
}

#[async_trait]
impl Step for GenerateEnv {
    fn name(&self) -> &'static str {
        "generate_env"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        // Secrets are no part of it: verifying compares the files themselves.
        let Ok(manifest) = context.manifest().await else { return Inputs::Unknown };
        let mut fingerprint = Fingerprint::of(self.name());
        for (path, variables) in manifest.env_files() {
            fingerprint = fingerprint.with(&path, env_file::render(&variables));
        }
        fingerprint.inputs()
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        Some(match env_files(context).await {
            Ok(generated) => files::are_written(context, &generated).await,
            Err(failure) => Err(failure),
        })
    }

    async fn files(&self, context: &Context<'_>) -> Result<Option<Vec<FileToWrite>>, StepFailure> {
        env_files(context).await.map(Some)
    }

    async fn run(&self, context: &Context<'_>, attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let generated = env_files(context).await?;
        let paths: BTreeSet<String> = generated.iter().map(|file| file.path.clone()).collect();
        let earlier = context.record(self.name()).await.as_ref().and_then(written_files).unwrap_or_default();
        let gone = earlier.difference(&paths);
        let gone = gone.map(|path| FileToWrite { path: path.clone(), data: None, mode: files::PRIVATE });
        let all = gone.chain(generated).collect();
        files::write(context, self.name(), attempt, all).await?;
        Ok(Outputs::from([("files".to_owned(), serde_json::json!(paths))]))
    }
}
