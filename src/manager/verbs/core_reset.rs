//! `core_reset`: brings one service's data back to its seed.

use std::collections::BTreeMap;

use crate::domain::checkpoint::{RecordStatus, StepRecord};
use crate::domain::entry::Status;
use crate::domain::error::PortError;
use crate::domain::project::ProvisionerServiceConfig;
use crate::domain::propagate::{affected, store_diff};
use crate::manager::context::Context;
use crate::manager::execute::operation_id;
use crate::manager::hooks::ServiceHook;
use crate::manager::plan::{self, StepId};
use crate::manager::reset_target::can_reset;
use crate::manager::step::{Inputs, StepError, StepFailure};
use crate::manager::steps;
use crate::manager::walk::walk;
use crate::manager::{Manager, ManagerError};

const STEP: &str = "core_reset";
/// What brings new outputs to the manifest.
const REBUILD: [StepId; 2] = [StepId::BuildManifest, StepId::WriteManifest];

/// Whether what runs is told of new outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Propagation {
    /// Manifest, files, containers: everything that was made from the old ones.
    ToWhatRuns,
    /// Only the entry; the next deploy does the rest.
    None,
}

impl Manager {
    /// Runs the `reset` hook, or `destroy` and `seed` where there is none. Where that changed the outputs, the
    /// manifest is rebuilt and what was run with it runs again from `generate_env` on. Services of the application whose
    /// values come from there are restarted in any case: their data is another one now. Returns whether anything ran
    /// again.
    ///
    /// # Errors
    /// `UnknownService`, `NoHook`, `UnknownEnvironment`; the hook's failure as step `core_reset`; a failing step of
    /// what follows.
    pub async fn core_reset(&self, service: &str, environment: &str) -> Result<bool, ManagerError> {
        self.reset(service, environment, Propagation::ToWhatRuns).await
    }

    /// As [`Manager::core_reset`], but nothing beside the data and the entry changes (`--no-propagate`).
    ///
    /// # Errors
    /// As [`Manager::core_reset`].
    pub async fn core_reset_only(&self, service: &str, environment: &str) -> Result<(), ManagerError> {
        self.reset(service, environment, Propagation::None).await.map(drop)
    }

    async fn reset(
        &self,
        service: &str,
        environment: &str,
        propagation: Propagation,
    ) -> Result<bool, ManagerError> {
        if !can_reset(self.service(service)?) {
            return Err(ManagerError::NoHook { service: service.to_owned(), action: "reset" });
        }
        let entry = self.existing(environment).await?;
        let built = entry.steps.contains_key("build_manifest") && entry.compute.is_some();
        let context = self.context(environment, Some(entry));
        context.recall().await;
        let follows = built && propagation == Propagation::ToWhatRuns;
        let announced = if follows { plan::names(&REBUILD) } else { Vec::new() };
        self.dependencies.progress.on_plan(&[vec![STEP.to_owned()], announced].concat()).await;
        let store = context.store().await;
        self.reset_data(&context, service).await?;
        Ok(self.propagate(&context, service, &store, propagation).await?)
    }

    /// Brings the outputs of a service to what was made from the old ones. `store`: what it was before. Returns whether
    /// anything ran again.
    pub(super) async fn propagate(
        &self,
        context: &Context<'_>,
        service: &str,
        store: &BTreeMap<String, String>,
        propagation: Propagation,
    ) -> Result<bool, StepError> {
        let built = {
            let facts = context.facts().await;
            facts.compute.is_some() && facts.entry.iter().any(|entry| entry.steps.contains_key("build_manifest"))
        };
        if !built || propagation == Propagation::None {
            return Ok(false);
        }
        context.facts().await.ran.clear();
        walk(context, &REBUILD).await?;
        let ran_again = self.run_again(context).await?;
        let restarted = self.restart_affected(context, service, store).await?;
        Ok(ran_again || restarted || !context.facts().await.ran.is_empty())
    }

    /// Restarts services of the application that work with the changed data, where they were not started anew anyway.
    async fn restart_affected(
        &self,
        context: &Context<'_>,
        service: &str,
        store: &BTreeMap<String, String>,
    ) -> Result<bool, StepError> {
        let changed = store_diff(store, &context.store().await);
        let affected = affected(&self.dependencies.config, service, &changed).services;
        let runs = {
            let facts = context.facts().await;
            let started = facts.entry.iter().any(|entry| entry.step_completed("start_services"));
            started && !facts.ran.iter().any(|step| step == "start_services")
        };
        if !runs {
            return Ok(false);
        }
        let to_run =
            steps::to_run(context).await.map_err(|failure| StepError::new("restart_services", failure))?;
        let services: Vec<String> = affected.into_iter().filter(|name| to_run.contains(name)).collect();
        if services.is_empty() {
            return Ok(false);
        }
        self.restart_application(context, &services).await?;
        Ok(true)
    }

    /// Repeats the runner phase from `generate_env` on where the environment was run and something of it is void.
    /// That is so after a new manifest, and also when an earlier reset got no further than that.
    async fn run_again(&self, context: &Context<'_>) -> Result<bool, StepError> {
        let scope = self.runner_scope(!context.manifest_env_files().await.is_empty(), true);
        let all = plan::runner_plan(&self.dependencies.config, scope);
        let steps: Vec<StepId> = all.into_iter().filter(|id| *id != StepId::RunnerBefore).collect();
        let void = {
            let facts = context.facts().await;
            let Some(entry) = &facts.entry else {
                return Ok(false);
            };
            let was_run = entry.steps.contains_key("start_infra");
            let runs = !matches!(entry.status, Status::Creating | Status::Stopped);
            let kept = |id: &StepId| *id == StepId::Probe || entry.step_completed(&id.name());
            was_run && runs && !steps.iter().all(kept)
        };
        if void {
            self.runner_phase(context, &steps).await?;
        }
        Ok(void)
    }

    /// Repeats resets that were interrupted: nobody knows what state their data is in.
    pub(super) async fn repeat_interrupted_resets(&self, context: &Context<'_>) -> Result<(), StepError> {
        let interrupted: Vec<String> = {
            let facts = context.facts().await;
            let records = facts.entry.iter().flat_map(|entry| entry.steps.values());
            let started = records.filter(|record| record.status == RecordStatus::Started);
            started
                .filter_map(|record| record.name.strip_prefix(plan::RESET_INTENT_PREFIX).map(str::to_owned))
                .collect()
        };
        for service in interrupted {
            let known = self.dependencies.config.provisioner.services.get(&service);
            if known.is_some_and(can_reset) {
                self.reset_data(context, &service).await?;
            }
        }
        Ok(())
    }

    async fn reset_data(&self, context: &Context<'_>, service: &str) -> Result<(), StepError> {
        context.check_cancelled(STEP)?;
        self.told(context, STEP, self.reset_as_intended(context, service)).await
    }

    async fn reset_as_intended(&self, context: &Context<'_>, service: &str) -> Result<(), StepFailure> {
        let record = self.intend(context, service).await?;
        let operation = record.operation_id.clone().unwrap_or_default();
        match self.run_hooks(context, service, &operation).await {
            Ok(outputs) => Ok(self.keep(context, service, outputs).await?),
            Err(failure) => {
                // A hook that ended by itself has said its word; one that was cut off is to be repeated.
                let ended = !matches!(failure, StepFailure::Port(_) | StepFailure::HookTimedOut { .. });
                if ended {
                    context.update(|entry| drop(entry.steps.remove(&plan::reset_intent(service)))).await?;
                }
                Err(failure)
            }
        }
    }

    /// Says what is about to be done before it is done.
    async fn intend(&self, context: &Context<'_>, service: &str) -> Result<StepRecord, PortError> {
        let name = plan::reset_intent(service);
        let prior = context.record(&name).await;
        let now = self.dependencies.clock.now();
        let operation_id = Some(operation_id(context, &name, prior));
        let machine = &self.dependencies.machine;
        let record = StepRecord { operation_id, ..StepRecord::of_now(&name, RecordStatus::Started, now, machine) };
        context.set_record(record.clone()).await;
        context.save().await?;
        Ok(record)
    }

    async fn run_hooks(
        &self,
        context: &Context<'_>,
        service: &str,
        operation: &str,
    ) -> Result<BTreeMap<String, String>, StepFailure> {
        let fallback = ProvisionerServiceConfig::default();
        let config = self.dependencies.config.provisioner.services.get(service).unwrap_or(&fallback);
        let variables = context.variables_with_ports().await;
        let hook = |action, text| ServiceHook { service, action, text, step: STEP, operation_id: Some(operation) };
        if !config.reset.is_empty() {
            let reset = hook("reset", config.reset.as_str());
            return reset.run(&self.dependencies, variables, &config.outputs).await;
        }
        hook("destroy", config.destroy.as_str()).run(&self.dependencies, variables.clone(), &[]).await?;
        hook("seed", config.seed.as_str()).run(&self.dependencies, variables, &config.outputs).await
    }

    /// The new outputs replace the old ones, also in the seed's record: the data is the present seed's now.
    async fn keep(
        &self,
        context: &Context<'_>,
        service: &str,
        outputs: BTreeMap<String, String>,
    ) -> Result<(), PortError> {
        let inputs = steps::seed_inputs(context, service).await;
        context.facts().await.outputs.insert(service.to_owned(), outputs.clone());
        context.store_globals(&outputs).await;
        context
            .update(|entry| {
                entry.steps.remove(&plan::reset_intent(service));
                if let Some(seed) = entry.steps.get_mut(&plan::seed_step(service)) {
                    seed.status = RecordStatus::Completed;
                    seed.error = None;
                    seed.outputs = steps::record_outputs(&outputs);
                    if let Inputs::Hash(hashed) = inputs {
                        seed.fingerprint = Some(hashed.hash);
                        seed.inputs = hashed.parts;
                    }
                }
                entry.provisioner_outputs.get_or_insert_default().insert(service.to_owned(), outputs);
            })
            .await
    }
}

impl Context<'_> {
    /// Takes what the entry knows as what this verb knows.
    pub(super) async fn recall(&self) {
        let mut facts = self.facts().await;
        let Some(entry) = facts.entry.clone() else {
            return;
        };
        facts.ports = entry.ports.unwrap_or_default();
        facts.outputs = entry.provisioner_outputs.unwrap_or_default();
        facts.attached = entry.compute.is_some_and(|info| !info.managed_worktree);
    }
}
