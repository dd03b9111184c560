//! `build_services`: builds what the application's services run from: `runner.build` alone where it is set, else the
//! `build` of each enabled service, one after the other, dependencies first.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::json;

use super::application::{self, ALL};
use crate::domain::checkpoint::{RecordStatus, StepRecord};
use crate::domain::project::Hook;
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::hooks::{self, HookCall};
use crate::manager::script::Place;
use crate::manager::step::{Attempt, Inputs, Outputs, Rules, Step, StepFailure};

pub(super) struct BuildServices {
    hook: Hook,
}

/// One thing to build.
struct Build {
    /// The service, or [`ALL`].
    subject: String,
    /// Where its text stands in the configuration.
    label: String,
    text: String,
}

/// What a record says of each build: its inputs and when it was made.
pub(super) fn built(record: &StepRecord) -> BTreeMap<String, String> {
    record.outputs.get("built").and_then(|built| serde_json::from_value(built.clone()).ok()).unwrap_or_default()
}

impl BuildServices {
    pub(super) fn new(hook: Hook) -> Self {
        Self { hook }
    }

    async fn builds(&self, context: &Context<'_>) -> Result<Vec<Build>, StepFailure> {
        if self.hook.is_set() {
            let (label, text) = ("runner.build".to_owned(), self.hook.command.clone());
            return Ok(vec![Build { subject: ALL.to_owned(), label, text }]);
        }
        let services = &context.dependencies.config.services;
        let order = application::in_order(&context.dependencies.config, &application::enabled(context).await)?;
        let build = |name: String| {
            let text = services.get(&name).map(|service| service.build.clone()).filter(|text| !text.is_empty())?;
            Some(Build { label: format!("services.{name}.build"), subject: name, text })
        };
        Ok(order.into_iter().filter_map(build).collect())
    }

    async fn build(&self, context: &Context<'_>, build: &Build) -> Result<(), StepFailure> {
        let access = context.access().await?;
        let variables = context.variables_with_ports().await.with("PREVIEWCTL_WORKTREE_PATH", access.root());
        let call = HookCall {
            hook: build.label.clone(),
            step: &format!("{}.{}", self.name(), build.subject),
            text: &build.text,
            place: Place::Compute(&*access),
            variables,
            operation_id: None,
            killable: true,
            prints_values: false,
        };
        let outcome = call.run(context.dependencies).await?;
        context.facts().await.last_log = call.log_tail(context.dependencies, &outcome);
        Ok(())
    }
}

/// The inputs of one build: its text, its script, the code.
async fn one(context: &Context<'_>, build: &Build) -> Inputs {
    let commit = context.dependencies.commit.as_ref().map(crate::domain::change::Sha::as_str);
    let fingerprint = Fingerprint::of(&build.label).with_optional("commit", commit);
    match context.access().await {
        Ok(access) => hooks::inputs(context, fingerprint, &build.text, Place::Compute(&*access)).await,
        Err(_) => Inputs::Unknown,
    }
}

#[async_trait]
impl Step for BuildServices {
    fn name(&self) -> &'static str {
        "build_services"
    }

    fn rules(&self) -> Rules {
        Rules { allow_cache: self.hook.allow_cache != Some(false), streams: true, ..Rules::default() }
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        let Ok(builds) = self.builds(context).await else { return Inputs::Unknown };
        let mut fingerprint = Fingerprint::of(self.name());
        for build in builds {
            match one(context, &build).await {
                Inputs::Hash(hashed) => fingerprint = fingerprint.with(&build.label, hashed.hash),
                Inputs::None | Inputs::Unknown => return Inputs::Unknown,
            }
        }
        fingerprint.inputs()
    }

    async fn run(&self, context: &Context<'_>, attempt: &Attempt) -> Result<Outputs, StepFailure> {
        // Where only inputs changed, what was built from the same ones is still good.
        let keeps =
            attempt.prior == Some(RecordStatus::Completed) && !context.no_cache && self.rules().allow_cache;
        let record = context.record(self.name()).await.filter(|_| keeps);
        let before = record.as_ref().map(built).unwrap_or_default();
        let mut now_built = BTreeMap::new();
        for build in self.builds(context).await? {
            let hash = match one(context, &build).await {
                Inputs::Hash(hashed) => hashed.hash,
                Inputs::None | Inputs::Unknown => String::new(),
            };
            let kept = before.get(&build.subject).filter(|kept| !hash.is_empty() && kept.starts_with(&hash));
            let mark = if let Some(kept) = kept {
                kept.clone()
            } else {
                self.build(context, &build).await?;
                format!("{hash} {}", context.dependencies.clock.now())
            };
            now_built.insert(build.subject, mark);
        }
        Ok(Outputs::from([("built".to_owned(), json!(now_built))]))
    }
}
