//! Finding and opening entries.

use std::sync::atomic::Ordering;

use crate::domain::checkpoint::{UnknownStep, invalidate_steps_from};
use crate::domain::entry::{ComputeAccessInfo, EnvironmentEntry, Status};
use crate::domain::error::PortError;
use crate::domain::ports::CreateRequest;
use crate::domain::progress::StepStatus;
use crate::domain::project::ProvisionerServiceConfig;
use crate::manager::context::Context;
use crate::manager::plan;
use crate::manager::step::StepError;
use crate::manager::{Manager, ManagerError};

/// Which entry a provisioner phase works on.
pub(super) struct Opening<'a> {
    pub(super) request: &'a CreateRequest,
    /// The person's own worktree that is attached.
    pub(super) attached: Option<ComputeAccessInfo>,
    /// The step to begin anew from.
    pub(super) from: Option<&'a str>,
    /// Whether the runner phase follows, so that `from` may also be one of its steps.
    pub(super) runs: bool,
}

impl Manager {
    /// A context with the Manager's present no-cache switch.
    pub(super) fn context(&self, environment: &str, entry: Option<EnvironmentEntry>) -> Context<'_> {
        let no_cache = self.no_cache.load(Ordering::Relaxed);
        Context::new(&self.dependencies, environment, entry).with_no_cache(no_cache)
    }

    /// The entry of an environment that must exist.
    pub(super) async fn existing(&self, environment: &str) -> Result<EnvironmentEntry, ManagerError> {
        let entry = self.dependencies.state.get_environment(environment).await?;
        entry.ok_or_else(|| ManagerError::UnknownEnvironment(environment.to_owned()))
    }

    /// A provisioner service that must exist.
    pub(super) fn service(&self, service: &str) -> Result<&ProvisionerServiceConfig, ManagerError> {
        let services = &self.dependencies.config.provisioner.services;
        services.get(service).ok_or_else(|| ManagerError::UnknownService {
            service: service.to_owned(),
            known: services.keys().cloned().collect(),
        })
    }

    /// Loads the environment's entry or makes one, which is saved at once, and drops the records from `from` on.
    pub(super) async fn open(&self, opening: &Opening<'_>) -> Result<Context<'_>, ManagerError> {
        let request = opening.request;
        let mut order = plan::build_provisioner_step_order(&self.dependencies.config);
        if opening.runs {
            order.extend(plan::build_runner_step_order(&self.dependencies.config));
        }
        if let Some(from) = opening.from.filter(|from| !from.is_empty() && !order.iter().any(|step| step == from))
        {
            return Err(UnknownStep { step: from.to_owned(), known: order }.into());
        }
        let stored = self.dependencies.state.get_environment(&request.environment).await?;
        let entry = match stored {
            Some(entry) => {
                self.refuse_other_place(&entry, opening)?;
                entry
            }
            None => self.make_entry(request).await?,
        };
        let context = self.context(&request.environment, Some(entry));
        self.prepare(&context, opening, &order).await?;
        Ok(context)
    }

    pub(super) fn refuse_other_place(
        &self,
        entry: &EnvironmentEntry,
        opening: &Opening<'_>,
    ) -> Result<(), ManagerError> {
        let Some(compute) = &entry.compute else {
            return Ok(());
        };
        let elsewhere = match &opening.attached {
            Some(attached) => compute.managed_worktree || compute.path != attached.path,
            None => {
                !compute.managed_worktree && compute.kind == "local" && !entry.steps.contains_key("create_compute")
            }
        };
        if elsewhere {
            let path = compute.path.clone().unwrap_or_default();
            return Err(ManagerError::OtherPlace { environment: entry.name.clone(), path });
        }
        // A checkout of the bot's own follows the commit; a person's worktree stays on its branch.
        let other_branch = entry.branch != opening.request.branch && !self.dependencies.compute.owns_checkout();
        if opening.attached.is_none() && other_branch {
            return Err(ManagerError::OtherBranch {
                environment: entry.name.clone(),
                actual: entry.branch.clone(),
                wanted: opening.request.branch.clone(),
            });
        }
        Ok(())
    }

    async fn make_entry(&self, request: &CreateRequest) -> Result<EnvironmentEntry, PortError> {
        let now = self.dependencies.clock.now();
        let entry = EnvironmentEntry {
            name: request.environment.clone(),
            branch: request.branch.clone(),
            status: Status::Creating,
            created_at: now.into(),
            updated_at: now.into(),
            ..EnvironmentEntry::default()
        };
        self.dependencies.state.set_environment(&entry).await?;
        Ok(entry)
    }

    async fn prepare(
        &self,
        context: &Context<'_>,
        opening: &Opening<'_>,
        order: &[String],
    ) -> Result<(), PortError> {
        let audit = {
            let mut facts = context.facts().await;
            facts.branch.clone_from(&opening.request.branch);
            facts.base.clone_from(&opening.request.base);
            facts.attached = opening.attached.is_some();
            let (now, machine) = (self.dependencies.clock.now(), &self.dependencies.machine);
            let Some(entry) = &mut facts.entry else {
                return Ok(());
            };
            // What an unfinished destroy remembers no longer holds once the environment is wanted again.
            entry.steps.retain(|name, _| !plan::is_destroy_record(name));
            let from = opening.from.unwrap_or_default();
            invalidate_steps_from(entry, from, order, now, machine).unwrap_or_default()
        };
        if let Some(info) = opening.attached.clone() {
            context.place(info).await;
        }
        for line in &audit {
            self.dependencies.state.append_audit(&context.environment, line).await?;
        }
        if audit.is_empty() { Ok(()) } else { context.save().await }
    }

    /// Saves the entry as a phase leaves it, told as the step `save_state`.
    pub(super) async fn save_state(
        &self,
        context: &Context<'_>,
        change: impl FnOnce(&mut EnvironmentEntry),
    ) -> Result<(), StepError> {
        self.told(context, "save_state", async { Ok(context.update(change).await?) }).await
    }

    /// Does something that has no checkpoint, and tells of it as a step.
    pub(super) async fn told<T>(
        &self,
        context: &Context<'_>,
        step: &str,
        work: impl Future<Output = Result<T, crate::manager::StepFailure>>,
    ) -> Result<T, StepError> {
        context.report(step, StepStatus::Started, "", None).await;
        let began = self.dependencies.clock.now_ms();
        let result = work.await;
        let duration = Some(self.dependencies.clock.now_ms() - began);
        match result {
            Ok(value) => {
                context.report(step, StepStatus::Completed, "", duration).await;
                Ok(value)
            }
            Err(failure) => {
                context.report(step, StepStatus::Failed, &failure.to_string(), duration).await;
                Err(StepError::new(step, failure))
            }
        }
    }
}
