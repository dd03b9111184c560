//! `run`: makes a provisioned environment run from its manifest alone, and the runner phase that `init` shares.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::checkpoint::UnknownStep;
use crate::domain::entry::{ComputeAccessInfo, Status};
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::manifest::{MANIFEST_FILE, Manifest};
use crate::domain::ports::{ComputeAccess, ContainerTarget, Part};
use crate::manager::context::Context;
use crate::manager::plan::{self, RunnerScope, StepId};
use crate::manager::step::{StepError, StepFailure};
use crate::manager::steps;
use crate::manager::walk::walk;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Runs the runner phase in the manifest's folder, without any entry: every step runs and nothing is stored.
    ///
    /// # Errors
    /// An unreadable manifest; `UnknownStep` for a `from` that is no runner step; the first failing step.
    pub async fn run(&self, manifest_path: &Path, from: Option<&str>) -> Result<(), ManagerError> {
        let order = plan::build_runner_step_order(&self.dependencies.config);
        let first = match from.filter(|from| !from.is_empty()) {
            None => 0,
            Some(from) => order
                .iter()
                .position(|step| step == from)
                .ok_or_else(|| UnknownStep { step: from.to_owned(), known: order.clone() })?,
        };
        let context = self.stateless(manifest_path).await?;
        let scope = RunnerScope { sync_code: false, ..self.runner_scope(false, false) };
        let scope = RunnerScope { env_files: !context.manifest_env_files().await.is_empty(), ..scope };
        let mut steps = plan::runner_plan(&self.dependencies.config, scope);
        steps.retain(|id| !order[..first].contains(&id.name()));
        self.dependencies.progress.on_plan(&plan::names(&steps)).await;
        Ok(walk(&context, &steps).await?)
    }

    async fn stateless(&self, manifest_path: &Path) -> Result<Context<'_>, ManagerError> {
        let folder = manifest_path.parent().unwrap_or(Path::new("."));
        let file = manifest_path.file_name().map_or(MANIFEST_FILE.into(), std::ffi::OsStr::to_string_lossy);
        let info = ComputeAccessInfo {
            kind: "local".to_owned(),
            path: Some(folder.to_string_lossy().into_owned()),
            host: None,
            user: None,
            managed_worktree: false,
            metadata: BTreeMap::new(),
        };
        let access = self.dependencies.compute.access(&info).await?;
        let manifest = read_manifest(access.as_ref(), &file).await.map_err(unreadable)?;
        let context = self.context(&manifest.env_name, None);
        context.place(info).await;
        context.take_manifest(manifest).await;
        Ok(context)
    }

    /// Reads the manifest that the provisioner phase handed over.
    pub(super) async fn load_manifest(&self, context: &Context<'_>) -> Result<(), StepError> {
        let access = context.access().await.map_err(unreadable)?;
        let manifest = read_manifest(access.as_ref(), MANIFEST_FILE).await.map_err(unreadable)?;
        context.take_manifest(manifest).await;
        Ok(())
    }

    pub(super) fn runner_scope(&self, env_files: bool, attached: bool) -> RunnerScope {
        let dependencies = &self.dependencies;
        RunnerScope {
            sync_code: !attached && dependencies.compute.owns_checkout(),
            env_files,
            probe: dependencies.probe.is_some() && steps::probe_target(&dependencies.config).is_some(),
        }
    }

    /// Stops containers of an application that the configuration does not have any more.
    async fn drop_former_application(&self, context: &Context<'_>) -> Result<(), StepError> {
        const STEPS: [&str; 4] = ["generate_compose", "generate_nginx", "build_services", "start_services"];
        let config = &self.dependencies.config;
        let has_one = config.runner.as_ref().is_some_and(|runner| runner.compose.is_some());
        if has_one || context.record("start_services").await.is_none() {
            return Ok(());
        }
        self.told(context, "stop_services", async {
            let info = context.placed().await?;
            let target = ContainerTarget {
                environment: &context.environment,
                info: &info,
                part: Part::Application,
                services: &[],
            };
            self.dependencies.compute.halt(&target, context.cancel()).await?;
            Ok(context.update(|entry| entry.steps.retain(|name, _| !STEPS.contains(&name.as_str()))).await?)
        })
        .await
    }

    /// Walks runner steps and stores that the environment runs.
    pub(super) async fn runner_phase(&self, context: &Context<'_>, plan: &[StepId]) -> Result<(), StepError> {
        self.drop_former_application(context).await?;
        walk(context, plan).await?;
        let manifest = context.manifest().await.map_err(unreadable)?;
        let compute = context.facts().await.compute.clone();
        self.save_state(context, |entry| {
            entry.mode = manifest.mode;
            entry.branch = manifest.branch;
            entry.status = Status::Running;
            entry.ports = manifest.ports;
            entry.provisioner_outputs = Some(manifest.provisioner_outputs);
            entry.compute = compute;
        })
        .await
    }
}

fn unreadable(failure: StepFailure) -> StepError {
    StepError::new("read_manifest", failure)
}

async fn read_manifest(access: &dyn ComputeAccess, file: &str) -> Result<Manifest, StepFailure> {
    let Some(bytes) = access.read_file(file).await? else {
        let message = format!("there is no manifest {file} in {}: provision the environment first", access.root());
        return Err(PortError::new(ErrorKind::NotFound, message).into());
    };
    Ok(Manifest::from_bytes(&bytes)?)
}

impl Context<'_> {
    async fn take_manifest(&self, manifest: Manifest) {
        let mut facts = self.facts().await;
        facts.branch.clone_from(&manifest.branch);
        facts.ports = manifest.ports.clone().unwrap_or_default();
        facts.manifest = Some(manifest);
    }

    /// The env files that the manifest asks for.
    pub(super) async fn manifest_env_files(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        self.facts().await.manifest.as_ref().map(Manifest::env_files).unwrap_or_default()
    }
}
