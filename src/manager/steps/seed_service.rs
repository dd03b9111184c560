//! `seed_<service>`: makes one service's data, and learns its outputs.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::checkpoint::{RecordStatus, StepRecord};
use crate::domain::project::{ProjectConfig, ProvisionerServiceConfig};
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::hooks::{self, ServiceHook};
use crate::manager::plan;
use crate::manager::script::Place;
use crate::manager::step::{Attempt, Checkpoint, Freshness, Inputs, Outputs, Rules, Step, StepFailure};

pub(super) struct SeedService {
    name: String,
    service: String,
    config: ProvisionerServiceConfig,
}

impl SeedService {
    pub(super) fn new(config: &ProjectConfig, service: &str) -> Self {
        let hooks = config.provisioner.services.get(service).cloned().unwrap_or_default();
        Self { name: plan::seed_step(service), service: service.to_owned(), config: hooks }
    }

    fn hook<'a>(&'a self, action: &'a str, text: &'a str, attempt: &'a Attempt) -> ServiceHook<'a> {
        let operation_id = attempt.operation_id.as_deref();
        ServiceHook { service: &self.service, action, text, step: &self.name, operation_id }
    }
}

/// The inputs of a service's seed. The commit is none of them: only a seed that itself changed is worth telling.
pub(in crate::manager) async fn seed_inputs(context: &Context<'_>, service: &str) -> Inputs {
    let dependencies = context.dependencies;
    let Some(config) = dependencies.config.provisioner.services.get(service) else {
        return Inputs::None;
    };
    let fingerprint = Fingerprint::of(&plan::seed_step(service));
    hooks::inputs(context, fingerprint, &config.seed, Place::ProjectRoot(&dependencies.project_root)).await
}

/// What a seed's record keeps.
pub(in crate::manager) fn record_outputs(outputs: &BTreeMap<String, String>) -> Outputs {
    Outputs::from([("outputs".to_owned(), serde_json::json!(outputs))])
}

/// What a seed's record kept, also where the names stand in the record itself.
fn recorded_outputs(record: &StepRecord) -> Option<BTreeMap<String, String>> {
    let nested = record.outputs.get("outputs").filter(|value| value.is_object()).cloned();
    let all = nested.unwrap_or_else(|| serde_json::json!(record.outputs));
    serde_json::from_value(all).ok().filter(|outputs: &BTreeMap<_, _>| !outputs.is_empty())
}

#[async_trait]
impl Step for SeedService {
    fn name(&self) -> &str {
        &self.name
    }

    fn rules(&self) -> Rules {
        Rules { checkpoint: Checkpoint::Intent, freshness: Freshness::Tell, streams: true, ..Rules::default() }
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        seed_inputs(context, &self.service).await
    }

    async fn restore(&self, context: &Context<'_>, record: &StepRecord) -> bool {
        let mut facts = context.facts().await;
        let stored = facts.entry.as_ref().and_then(|entry| entry.provisioner_outputs.as_ref()?.get(&self.service));
        let known = recorded_outputs(record).or_else(|| stored.cloned());
        // A service that declares nothing may have printed nothing.
        let missing = known.is_none() && !self.config.outputs.is_empty();
        facts.outputs.insert(self.service.clone(), known.unwrap_or_default());
        !missing
    }

    async fn run(&self, context: &Context<'_>, attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let variables = context.variables_with_ports().await;
        let unfinished = [RecordStatus::Started, RecordStatus::Failed, RecordStatus::Invalidated];
        let half_made = attempt.prior.is_some_and(|prior| unfinished.contains(&prior));
        if half_made && !self.config.destroy.is_empty() {
            let destroy = self.hook("destroy", &self.config.destroy, attempt);
            destroy.run(context.dependencies, variables.clone(), &[]).await?;
        }
        let seed = self.hook("seed", &self.config.seed, attempt);
        let outputs = seed.run(context.dependencies, variables, &self.config.outputs).await?;
        context.store_globals(&outputs).await;
        let kept = record_outputs(&outputs);
        context.facts().await.outputs.insert(self.service.clone(), outputs);
        Ok(kept)
    }
}
