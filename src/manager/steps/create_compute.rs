//! `create_compute`: makes the place where the environment lives, by the compute port or by the project's own hook.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::checkpoint::{RecordStatus, StepRecord};
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::hook;
use crate::domain::ports::CreateRequest;
use crate::domain::project::ComputeHooks;
use crate::manager::context::Context;
use crate::manager::fingerprint::Fingerprint;
use crate::manager::hooks::{self, HookCall, Variables};
use crate::manager::script::Place;
use crate::manager::step::{Attempt, Checkpoint, Freshness, Inputs, Outputs, Rules, Step, StepFailure};

/// Where a machine's environment lives when the create hook does not print `REMOTE_ROOT`.
const DEFAULT_REMOTE_ROOT: &str = "/app";
/// The output that says where a machine is.
const ADDRESS: &str = "VM_IP";

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
        // Somebody began to make a machine and nobody saw how it ended: there may be one.
        let unfinished = matches!(attempt.prior, Some(RecordStatus::Started | RecordStatus::Failed));
        if unfinished
            && let Some(found) = find(context, hooks, self.name(), attempt.operation_id.as_deref()).await?
        {
            context.store_globals(&found).await;
            return Ok((machine("find", &found)?, found));
        }
        let call = HookCall {
            hook: "provisioner.compute.create".to_owned(),
            step: self.name(),
            text: &hooks.create,
            place: Place::ProjectRoot(&context.dependencies.project_root),
            variables: variables(context).await,
            operation_id: attempt.operation_id.as_deref(),
            // A machine that is half made when its maker is killed would never be found again.
            killable: false,
            prints_values: true,
        };
        let outputs = call.run_for_outputs(context.dependencies, &hooks.outputs).await?;
        context.store_globals(&outputs).await;
        Ok((machine("create", &outputs)?, outputs))
    }
}

async fn variables(context: &Context<'_>) -> Variables {
    let (branch, base) = {
        let facts = context.facts().await;
        (facts.branch.clone(), facts.base.clone())
    };
    let variables = context.variables().await.with("PREVIEWCTL_BRANCH", &branch);
    match base {
        Some(base) => variables.with("PREVIEWCTL_BASE_BRANCH", &base),
        None => variables,
    }
}

/// Asks the project for a machine that an operation may have made: what its `create` hook would have printed, or `None`
/// where there is none, or the project cannot tell.
pub(in crate::manager) async fn find(
    context: &Context<'_>,
    hooks: &ComputeHooks,
    step: &str,
    operation_id: Option<&str>,
) -> Result<Option<BTreeMap<String, String>>, StepFailure> {
    if hooks.find.is_empty() {
        return Ok(None);
    }
    let call = HookCall {
        hook: "provisioner.compute.find".to_owned(),
        step: &format!("{step}.find"),
        text: &hooks.find,
        place: Place::ProjectRoot(&context.dependencies.project_root),
        variables: variables(context).await,
        operation_id,
        killable: true,
        prints_values: true,
    };
    let found = call.run_for_outputs(context.dependencies, &[]).await?;
    if !found.contains_key(ADDRESS) {
        return Ok(None);
    }
    hook::require_outputs(&found, &hooks.outputs).map_err(|source| StepFailure::MissingOutputs {
        hook: call.hook.clone(),
        source,
        log_tail: Vec::new(),
    })?;
    Ok(Some(found))
}

fn machine(hook: &str, outputs: &BTreeMap<String, String>) -> Result<ComputeAccessInfo, StepFailure> {
    let Some(host) = outputs.get(ADDRESS).filter(|host| !host.is_empty()) else {
        let message =
            format!("hook provisioner.compute.{hook} did not print {ADDRESS}: the machine's address is not known");
        return Err(PortError::new(ErrorKind::Invalid, message).into());
    };
    let root = outputs.get("REMOTE_ROOT").map_or(DEFAULT_REMOTE_ROOT, String::as_str);
    let told = [("SSH_PORT", "ssh_port"), ("SSH_HOST_KEY", "host_key")];
    let told = told.into_iter().filter_map(|(output, name)| Some((name.to_owned(), outputs.get(output)?.clone())));
    Ok(ComputeAccessInfo {
        kind: "ssh".to_owned(),
        path: Some(root.to_owned()),
        host: Some(host.clone()),
        user: outputs.get("SSH_USER").cloned(),
        managed_worktree: true,
        metadata: told.collect(),
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

    async fn inputs(&self, context: &Context<'_>) -> Inputs {
        let hooks = context.dependencies.config.provisioner.compute.as_ref();
        let text = hooks.map(|hooks| hooks.create.as_str()).unwrap_or_default();
        let place = Place::ProjectRoot(&context.dependencies.project_root);
        hooks::inputs(context, Fingerprint::of(self.name()), text, place).await
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
