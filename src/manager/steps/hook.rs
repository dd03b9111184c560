//! `provisioner_before`, `provisioner_after`, `runner_before`, `runner_deploy`, `runner_after`: a user's hook.

use async_trait::async_trait;

use crate::domain::project::{Hook, ProjectConfig, RunnerConfig};
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::hooks::{self, HookCall};
use crate::manager::plan::StepId;
use crate::manager::script::Place;
use crate::manager::step::{Attempt, Inputs, Outputs, Rules, Step, StepFailure};

pub(super) struct HookStep {
    name: String,
    label: &'static str,
    hook: Hook,
    /// Provisioner hooks run in the control checkout, runner hooks in the compute root.
    in_project_root: bool,
}

pub(super) fn of_provisioner(config: &ProjectConfig, id: &StepId) -> HookStep {
    let (label, text) = match id {
        StepId::ProvisionerBefore => ("provisioner.before", &config.provisioner.before),
        _ => ("provisioner.after", &config.provisioner.after),
    };
    let hook = Hook { command: text.clone(), allow_cache: None };
    HookStep { name: id.name(), label, hook, in_project_root: true }
}

pub(super) fn of_runner(config: &ProjectConfig, id: &StepId) -> HookStep {
    let hook =
        |pick: fn(&RunnerConfig) -> &Hook| config.runner.as_ref().map(|r| pick(r).clone()).unwrap_or_default();
    let (label, hook) = match id {
        StepId::RunnerBefore => ("runner.before", hook(|r| &r.before)),
        StepId::RunnerDeploy => ("runner.deploy", hook(|r| &r.deploy)),
        _ => ("runner.after", hook(|r| &r.after)),
    };
    HookStep { name: id.name(), label, hook, in_project_root: false }
}

impl HookStep {
    /// `provisioner_before` knows no ports, and the compute root only of an attached worktree.
    fn is_first(&self) -> bool {
        self.label == "provisioner.before"
    }

    async fn call(&self, context: &Context<'_>, place: Place<'_>) -> Result<(), StepFailure> {
        let (attached, root) = {
            let facts = context.facts().await;
            (facts.attached, facts.compute.as_ref().and_then(|info| info.path.clone()))
        };
        let variables =
            if self.is_first() { context.variables().await } else { context.variables_with_ports().await };
        let variables = match root.filter(|_| attached || !self.is_first()) {
            Some(root) => variables.with("PREVIEWCTL_WORKTREE_PATH", &root),
            None => variables,
        };
        let call = HookCall {
            hook: self.label.to_owned(),
            step: &self.name,
            text: &self.hook.command,
            place,
            variables,
            operation_id: None,
            killable: true,
            prints_values: false,
        };
        let outcome = call.run(context.dependencies).await?;
        if !self.in_project_root {
            context.facts().await.last_log = call.log_tail(context.dependencies, &outcome);
        }
        Ok(())
    }
}

#[async_trait]
impl Step for HookStep {
    fn name(&self) -> &str {
        &self.name
    }

    fn rules(&self) -> Rules {
        Rules { allow_cache: self.hook.allow_cache != Some(false), streams: true, ..Rules::default() }
    }

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        let commit = context.dependencies.commit.as_ref().map(crate::domain::change::Sha::as_str);
        let fingerprint = Fingerprint::of(&self.name).with_optional("commit", commit);
        if self.in_project_root {
            let place = Place::ProjectRoot(&context.dependencies.project_root);
            return hooks::inputs(context, fingerprint, &self.hook.command, place).await;
        }
        let fingerprint = fingerprint.with_optional("boot", context.dependencies.boot.as_deref());
        match context.access().await {
            Ok(access) => hooks::inputs(context, fingerprint, &self.hook.command, Place::Compute(&*access)).await,
            Err(_) => Inputs::Unknown,
        }
    }

    async fn run(&self, context: &Context<'_>, _attempt: &Attempt) -> Result<Outputs, StepFailure> {
        if self.in_project_root {
            self.call(context, Place::ProjectRoot(&context.dependencies.project_root)).await?;
        } else {
            let access = context.access().await?;
            self.call(context, Place::Compute(&*access)).await?;
        }
        Ok(Outputs::new())
    }
}
