//! `provision`: decides where the environment runs and what values exist.

use super::deployed::Deployed;
use super::entry::Opening;
use crate::domain::entry::Status;
use crate::domain::ports::CreateRequest;
use crate::manager::context::Context;
use crate::manager::hooks;
use crate::manager::plan::{self, StepId};
use crate::manager::step::StepError;
use crate::manager::steps;
use crate::manager::walk::walk;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Runs the provisioner phase; with `from`, that step and all later ones run whatever their records say.
    ///
    /// # Errors
    /// `UnknownStep` for a `from` that is no provisioner step; `OtherBranch`, `OtherPlace` where the environment
    /// exists elsewhere; the first failing step.
    pub async fn provision(&self, request: &CreateRequest, from: Option<&str>) -> Result<Deployed, ManagerError> {
        let context = self.open(&Opening { request, attached: None, from, runs: false }).await?;
        let plan = plan::provisioner_plan(&self.dependencies.config, false);
        self.dependencies.progress.on_plan(&plan::names(&plan)).await;
        self.provisioner_phase(&context, &plan).await?;
        Ok(Deployed::of(&context).await)
    }

    /// Walks the provisioner steps and stores what they came to.
    pub(super) async fn provisioner_phase(&self, context: &Context<'_>, plan: &[StepId]) -> Result<(), StepError> {
        let seeded = plan.iter().position(|id| *id == StepId::BuildManifest).unwrap_or(plan.len());
        walk(context, &plan[..seeded]).await?;
        self.repeat_interrupted_resets(context).await?;
        if let Some(entry) = &mut context.facts().await.entry {
            entry.autostart(&steps::autostart(&self.dependencies.config));
        }
        walk(context, &plan[seeded..]).await?;
        let (branch, ports, outputs, compute) = {
            let facts = context.facts().await;
            (facts.branch.clone(), facts.ports.clone(), facts.outputs.clone(), facts.compute.clone())
        };
        let mode = hooks::mode(&self.dependencies.config.mode).to_owned();
        self.save_state(context, |entry| {
            entry.mode = mode;
            entry.branch = branch;
            entry.status = Status::Provisioned;
            entry.ports = Some(ports);
            entry.provisioner_outputs = Some(outputs);
            entry.compute = compute;
        })
        .await
    }
}
