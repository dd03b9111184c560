//! `generate_env`: writes the services' env files, with `{{secrets.NAME}}` resolved.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use secrecy::ExposeSecret;

use crate::domain::checkpoint::StepRecord;
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::project::template;
use crate::domain::render::env_file;
use crate::manager::context::Context;
use crate::manager::step::{Attempt, Inputs, Outputs, Step, StepFailure};

pub(super) struct GenerateEnv;

/// Env files hold secrets.
const MODE: u32 = 0o600;

/// The env files that a record says were written; `None` where it does not say (the Go tool's records).
pub(in crate::manager) fn written_files(record: &StepRecord) -> Option<BTreeSet<String>> {
    serde_json::from_value(record.outputs.get("files")?.clone()).ok()
}

/// Path → text.
async fn files(context: &Context<'_>) -> Result<BTreeMap<String, String>, StepFailure> {
    let secrets = context.dependencies.secrets.iter();
    let secrets: BTreeMap<String, String> =
        secrets.map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
    let mut files = BTreeMap::new();
    for (path, variables) in context.manifest().await?.env_files() {
        let mut rendered = BTreeMap::new();
        for (key, value) in variables {
            let value = template::render_secrets(&value, &secrets).map_err(|mut error| {
                error.place.get_or_insert_with(|| format!("{path}, {key}"));
                error
            })?;
            rendered.insert(key, value);
        }
        files.insert(path, env_file::render(&rendered));
    }
    Ok(files)
}

#[async_trait]
impl Step for GenerateEnv {
    fn name(&self) -> &'static str {
        "generate_env"
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        // Secrets are no part of it: verifying compares the files themselves.
        context.manifest_inputs(self.name()).await
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        Some(are_written(context).await)
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let files = files(context).await?;
        let access = context.access().await?;
        let earlier = context.record(self.name()).await.as_ref().and_then(written_files).unwrap_or_default();
        for path in earlier.iter().filter(|path| !files.contains_key(*path)) {
            access.write_file(path, None, MODE).await?;
        }
        for (path, text) in &files {
            access.write_file(path, Some(text.as_bytes()), MODE).await?;
        }
        let paths: Vec<&String> = files.keys().collect();
        Ok(Outputs::from([("files".to_owned(), serde_json::json!(paths))]))
    }
}

async fn are_written(context: &Context<'_>) -> Result<(), StepFailure> {
    let access = context.access().await?;
    for (path, text) in files(context).await? {
        if access.read_file(&path).await?.as_deref() != Some(text.as_bytes()) {
            return Err(PortError::new(ErrorKind::NotFound, format!("{path} is missing or was changed")).into());
        }
    }
    Ok(())
}
