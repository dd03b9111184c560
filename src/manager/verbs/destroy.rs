//! `destroy`: removes all that was made for an environment, going on past failures.

use crate::domain::checkpoint::{RecordStatus, StepRecord};
use crate::domain::entry::{ComputeAccessInfo, EnvironmentEntry};
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::manifest::{MANIFEST_FILE, Manifest};
use crate::domain::ports::FileToWrite;
use crate::domain::project::ComputeHooks;
use crate::domain::render::{compose, error_pages, nginx};
use crate::manager::context::Context;
use crate::manager::hooks::{HookCall, ServiceHook};
use crate::manager::plan::{self, DestroyPart};
use crate::manager::script::Place;
use crate::manager::step::{StepError, StepFailure};
use crate::manager::steps;
use crate::manager::{DestroyError, Manager, ManagerError};

impl Manager {
    /// Removes the environment. Whatever fails is told, everything else is still done; parts that are done are not
    /// done again by the next try.
    ///
    /// # Errors
    /// `UnknownEnvironment`; `Destroy` with what is left; a cancelled or fenced part ends it at once.
    pub async fn destroy(&self, environment: &str) -> Result<(), ManagerError> {
        let context = self.load_for_destroy(environment).await?;
        let compute = context.facts().await.compute.clone();
        let parts = self.parts(&context, compute.as_ref()).await;
        let mut names: Vec<String> = parts.iter().map(DestroyPart::name).collect();
        names.push("remove_state".to_owned());
        self.dependencies.progress.on_plan(&names).await;
        let mut failed: Vec<(DestroyPart, StepError)> = Vec::new();
        for part in parts {
            if part == DestroyPart::CleanupEnv && failed.iter().any(|(part, _)| is_compute(part)) {
                continue;
            }
            match self.destroy_part(&context, &part).await {
                Ok(()) => {}
                Err(error) if error.is_cancelled() || error.is_fenced() => return Err(error.into()),
                Err(error) => failed.push((part, error)),
            }
        }
        if failed.is_empty() {
            let remove = async { Ok(self.dependencies.state.remove_environment(environment).await?) };
            return Ok(self.told(&context, "remove_state", remove).await?);
        }
        let left = failed.iter().map(|(part, _)| what_is_left(part, compute.as_ref())).collect();
        let failures = failed.into_iter().map(|(_, error)| error).collect();
        Err(DestroyError { environment: environment.to_owned(), left, failures }.into())
    }

    async fn load_for_destroy(&self, environment: &str) -> Result<Context<'_>, ManagerError> {
        let nobody = self.context(environment, None);
        let load = async {
            let missing =
                || PortError::new(ErrorKind::NotFound, format!("there is no environment `{environment}`"));
            Ok(self.dependencies.state.get_environment(environment).await?.ok_or_else(missing)?)
        };
        let entry = self.told(&nobody, "load_state", load).await.map_err(|error| match &*error.failure {
            StepFailure::Port(port) if port.kind() == ErrorKind::NotFound => {
                ManagerError::UnknownEnvironment(environment.to_owned())
            }
            _ => ManagerError::Step(error),
        })?;
        let context = self.context(environment, Some(entry));
        context.recall().await;
        Ok(context)
    }

    /// The parts that are not done yet. A runner hook whose folder is gone has nothing left to run in.
    async fn parts(&self, context: &Context<'_>, compute: Option<&ComputeAccessInfo>) -> Vec<DestroyPart> {
        let mut parts = plan::destroy_parts(&self.dependencies.config, compute);
        let gone = match compute {
            // Nothing else asks for the folder.
            _ if !parts.contains(&DestroyPart::RunnerDestroy) => false,
            Some(info) => matches!(self.dependencies.compute.exists(info).await, Ok(false)),
            None => true,
        };
        let facts = context.facts().await;
        let done = |part: &DestroyPart| facts.entry.as_ref().is_some_and(|e| e.step_completed(&part.name()));
        parts.retain(|part| !(done(part) || gone && *part == DestroyPart::RunnerDestroy));
        parts
    }

    async fn destroy_part(&self, context: &Context<'_>, part: &DestroyPart) -> Result<(), StepError> {
        let name = part.name();
        context.check_cancelled(&name)?;
        self.told(context, &name, self.tear_down(context, part)).await?;
        let record = self.done_record(&name);
        let remembered = context.update(|entry| remember(entry, part, record)).await;
        match remembered {
            Err(error) if error.kind() == ErrorKind::Fenced => Err(StepError::new(name, error)),
            Err(error) => {
                tracing::warn!(step = name, error = %error.chain(), "a finished part of a destroy was not recorded");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn done_record(&self, name: &str) -> StepRecord {
        let now = self.dependencies.clock.now();
        StepRecord::of_now(name, RecordStatus::Completed, now, &self.dependencies.machine)
    }

    async fn tear_down(&self, context: &Context<'_>, part: &DestroyPart) -> Result<(), StepFailure> {
        let compute = &self.dependencies.compute;
        let info = context.facts().await.compute.clone();
        match (part, info) {
            (DestroyPart::RunnerDestroy, Some(_)) => self.runner_destroy(context).await,
            (DestroyPart::Service(service), _) => self.destroy_service(context, service).await,
            (DestroyPart::ComputeHook, info) => self.compute_hook(context, info).await,
            (DestroyPart::Compute, Some(info)) => Ok(compute.destroy(&context.environment, &info).await?),
            (DestroyPart::StopInfra, Some(info)) => Ok(compute.stop(&context.environment, &info).await?),
            (DestroyPart::CleanupEnv, Some(info)) if compute.exists(&info).await? => clean_up(context).await,
            _ => Ok(()),
        }
    }

    async fn runner_destroy(&self, context: &Context<'_>) -> Result<(), StepFailure> {
        let text =
            self.dependencies.config.runner.as_ref().map(|r| r.destroy.command.as_str()).unwrap_or_default();
        let access = context.access().await?;
        let variables = context.variables_with_ports().await.with("PREVIEWCTL_WORKTREE_PATH", access.root());
        let call = HookCall {
            hook: "runner.destroy".to_owned(),
            step: "runner_destroy",
            text,
            place: Place::Compute(&*access),
            variables,
            operation_id: None,
            killable: true,
            prints_values: false,
        };
        call.run(&self.dependencies).await.map(drop)
    }

    async fn destroy_service(&self, context: &Context<'_>, service: &str) -> Result<(), StepFailure> {
        let Some(config) = self.dependencies.config.provisioner.services.get(service) else {
            return Ok(());
        };
        // Once the hook has begun, nobody may take the data for whole: a later deploy seeds it anew.
        if !context.invalidate(&[plan::seed_step(service)]).await.is_empty() {
            context.save().await?;
        }
        let step = DestroyPart::Service(service.to_owned()).name();
        let hook =
            ServiceHook { service, action: "destroy", text: &config.destroy, step: &step, operation_id: None };
        hook.run(&self.dependencies, context.variables_with_ports().await, &[]).await.map(drop)
    }

    async fn compute_hook(
        &self,
        context: &Context<'_>,
        info: Option<ComputeAccessInfo>,
    ) -> Result<(), StepFailure> {
        const STEP: &str = "destroy_compute_hook";
        let fallback = ComputeHooks::default();
        let hooks = self.dependencies.config.provisioner.compute.as_ref().unwrap_or(&fallback);
        let operation_id = context.record("create_compute").await.and_then(|record| record.operation_id);
        let (host, user) = if let Some(info) = info {
            (info.host, info.user)
        } else {
            // An interrupted create may have made a machine whose address was never stored.
            let found = steps::find_compute(context, hooks, STEP, operation_id.as_deref()).await?;
            let output = |name: &str| found.as_ref().and_then(|found| found.get(name).cloned());
            (output("VM_IP"), output("SSH_USER"))
        };
        let variables = context.variables_with_ports().await;
        let variables = variables.with("PREVIEWCTL_VM_IP", &host.unwrap_or_default());
        let call = HookCall {
            hook: "provisioner.compute.destroy".to_owned(),
            step: STEP,
            text: &hooks.destroy,
            place: Place::ProjectRoot(&self.dependencies.project_root),
            variables: variables.with("PREVIEWCTL_SSH_USER", &user.unwrap_or_default()),
            operation_id: operation_id.as_deref(),
            killable: false,
            prints_values: true,
        };
        call.run(&self.dependencies).await.map(drop)
    }
}

const fn is_compute(part: &DestroyPart) -> bool {
    matches!(part, DestroyPart::Compute | DestroyPart::StopInfra)
}

/// A part that is done is not done again, and what it removed is no longer on record.
fn remember(entry: &mut EnvironmentEntry, part: &DestroyPart, done: StepRecord) {
    match part {
        DestroyPart::Service(service) => {
            entry.steps.remove(&plan::seed_step(service));
            entry.steps.remove(&plan::reset_intent(service));
            if let Some(outputs) = &mut entry.provisioner_outputs {
                outputs.remove(service);
            }
        }
        DestroyPart::Compute | DestroyPart::ComputeHook => {
            entry.steps.retain(|name, _| plan::outlives_compute(name) || plan::is_destroy_record(name));
        }
        DestroyPart::RunnerDestroy | DestroyPart::StopInfra => {
            entry.steps.retain(|name, _| !plan::is_runner_record(name));
        }
        DestroyPart::CleanupEnv => {}
    }
    entry.set_step_record(done);
}

/// Removes the manifest and the env files that we wrote, and nothing else, from a worktree that stays.
async fn clean_up(context: &Context<'_>) -> Result<(), StepFailure> {
    let access = context.access().await?;
    let record = context.record("generate_env").await;
    let mut files = record.as_ref().and_then(steps::written_files).unwrap_or_default();
    if record.is_some() && files.is_empty() {
        let text = access.read_file(MANIFEST_FILE).await?.unwrap_or_default();
        if let Ok(manifest) = Manifest::from_bytes(&text) {
            files.extend(manifest.env_files().into_keys());
        }
    }
    files.insert(MANIFEST_FILE.to_owned());
    if context.record("generate_compose").await.is_some() {
        files.insert(compose::COMPOSE_FILE.to_owned());
    }
    if context.record("generate_nginx").await.is_some() {
        files.insert(nginx::NGINX_FILE.to_owned());
        let pages = error_pages::render("").into_keys();
        files.extend(pages.map(|page| format!("{}/{page}", error_pages::FOLDER)));
    }
    let remove = |path: String| FileToWrite { path, data: None, mode: 0o600 };
    let files: Vec<FileToWrite> = files.into_iter().map(remove).collect();
    Ok(access.write_files(&files).await?)
}

fn what_is_left(part: &DestroyPart, compute: Option<&ComputeAccessInfo>) -> String {
    let path = compute.and_then(|info| info.path.as_deref()).unwrap_or("an unknown place");
    match part {
        DestroyPart::RunnerDestroy => "what hook runner.destroy removes".to_owned(),
        DestroyPart::Service(service) => format!("the data of service {service}"),
        DestroyPart::ComputeHook => {
            let host = compute.and_then(|info| info.host.as_deref()).unwrap_or("of unknown address");
            format!("the machine {host}")
        }
        DestroyPart::Compute => format!("the containers and files of {path}"),
        DestroyPart::StopInfra => format!("the containers and processes of {path}"),
        DestroyPart::CleanupEnv => format!("generated files in {path}"),
    }
}
