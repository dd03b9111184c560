//! `create_compute`: makes the place where the environment lives, by the compute port or by the project's own hook.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::checkpoint::StepRecord;
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::ports::CreateRequest;
use crate::domain::project::ComputeHooks;
use crate::manager::context::Context;
use crate::manager::hooks::HookCall;
use crate::manager::script::Place;
use crate::manager::step::{Attempt, Checkpoint, Freshness, Outputs, Rules, Step, StepFailure};

/// Where a machine's environment lives when the create hook does not print `REMOTE_ROOT`.
const DEFAULT_REMOTE_ROOT: &str = "/app";

pub(super) struct CreateCompute;

impl CreateCompute {
    async fn by_port(&self, context: &Context<'_>) -> Result<ComputeAccessInfo, StepFailure> {
        let request = {
            let facts = context.facts().await;
            let (branch, base) = (facts.branch.clone(), facts.base.clone());
            CreateRequest { environment: context.environment.clone(), branch, base }
        };
        let token = context.cancel().child_token();
        let work = context.dependencies.compute.create(&request, &token);
        Ok(context.within_limit("making the compute root", work, &token).await?)
    }

    async fn by_hook(
        &self,
        context: &Context<'_>,
        hooks: &ComputeHooks,
        attempt: &Attempt,
    ) -> Result<(ComputeAccessInfo, BTreeMap<String, String>), StepFailure> {
        let (branch, base) = {
            let facts = context.facts().await;
            (facts.branch.clone(), facts.base.clone())
        };
        let variables = context.variables().await.with("PREVIEWCTL_BRANCH", &branch);
        let variables = match base {
            Some(base) => variables.with("PREVIEWCTL_BASE_BRANCH", &base),
            None => variables,
        };
        let call = HookCall {
            hook: "provisioner.compute.create".to_owned(),
            step: self.name(),
            text: &hooks.create,
            place: Place::ProjectRoot(&context.dependencies.project_root),
            variables,
            operation_id: attempt.operation_id.as_deref(),
            // A machine that is half made when its maker is killed would never be found again.
            killable: false,
            prints_values: true,
        };
        let outputs = call.run_for_outputs(context.dependencies, &hooks.outputs).await?;
        context.store_globals(&outputs).await;
        Ok((machine(&outputs)?, outputs))
    }
}

fn machine(outputs: &BTreeMap<String, String>) -> Result<ComputeAccessInfo, StepFailure> {
    let Some(host) = outputs.get("VM_IP").filter(|host| !host.is_empty()) else {
        let message = "hook provisioner.compute.create did not print VM_IP: the machine's address is not known";
        return Err(PortError::new(ErrorKind::Invalid, message).into());
    };
    let root = outputs.get("REMOTE_ROOT").map_or(DEFAULT_REMOTE_ROOT, String::as_str);
    Ok(ComputeAccessInfo {
        kind: "ssh".to_owned(),
        path: Some(root.to_owned()),
        host: Some(host.clone()),
        user: outputs.get("SSH_USER").cloned(),
        managed_worktree: true,
        metadata: BTreeMap::new(),
    })
}

#[async_trait]
impl Step for CreateCompute {
    fn name(&self) -> &'static str {
        "create_compute"
    }

    fn rules(&self) -> Rules {
        Rules { checkpoint: Checkpoint::Intent, freshness: Freshness::Tell, ..Rules::default() }
    }

    async fn verify(&self, context: &Context<'_>) -> Option<Result<(), StepFailure>> {
        let info = context.facts().await.compute.clone()?;
        Some(match context.dependencies.compute.exists(&info).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PortError::new(ErrorKind::NotFound, "the compute root is gone").into()),
            Err(error) => Err(error.into()),
        })
    }

    async fn restore(&self, context: &Context<'_>, _record: &StepRecord) -> bool {
        context.facts().await.compute.is_some()
    }

    async fn run(&self, context: &Context<'_>, attempt: &Attempt) -> Result<Outputs, StepFailure> {
        let hooks =
            context.dependencies.config.provisioner.compute.as_ref().filter(|hooks| !hooks.create.is_empty());
        let (info, outputs) = match hooks {
            Some(hooks) => self.by_hook(context, hooks, attempt).await?,
            None => (self.by_port(context).await?, BTreeMap::new()),
        };
        let path = info.path.iter().map(|path| ("worktreePath".to_owned(), path.clone()));
        let outputs: BTreeMap<String, String> = if hooks.is_some() { outputs } else { path.collect() };
        context.place(info).await;
        Ok(outputs.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}
