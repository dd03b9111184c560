//! `plan`: what a deploy would do, step by step, and why. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::entry::Opening;
use crate::domain::checkpoint::UnknownStep;
use crate::domain::entry::EnvironmentEntry;
use crate::domain::ports::CreateRequest;
use crate::domain::project::ProjectConfig;
use crate::manager::context::Context;
use crate::manager::decide::{Verdict, Why, decide};
use crate::manager::plan::{self, StepId};
use crate::manager::steps;
use crate::manager::{Manager, ManagerError};

/// What would become of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// Its name.
    pub step: String,
    /// Whether it would run.
    pub runs: bool,
    /// Why it would run, or why not.
    pub why: String,
}

/// What is known while the steps are looked at one after the other.
struct Foresight {
    /// Steps that would run because another one does: step → reason.
    void: BTreeMap<String, String>,
    /// Steps that are named by `from`.
    wanted: BTreeSet<String>,
    from: String,
    env_files: bool,
}

impl Foresight {
    /// Why a step would run; `None`: it would not.
    fn why(&self, step: &str, verdict: &Verdict) -> Option<String> {
        let void = self.void.get(step).cloned();
        match verdict {
            _ if self.wanted.contains(step) => Some(format!("--from {}", self.from)),
            Verdict::Skip { .. } => void,
            Verdict::Run(go) => match go.why {
                // What is not there yet is explained by what makes it.
                Why::VerificationFailed(_) | Why::ResultUnknown | Why::InputsUnknown if void.is_some() => void,
                _ => Some(go.why.to_string()),
            },
        }
    }
}

impl Manager {
    /// Every step that [`Manager::init`] would look at, and what would become of it. Where a step would run, the later
    /// ones are judged by what it is known to make; what that will be cannot always be known.
    ///
    /// # Errors
    /// As `init` before it begins: `UnknownStep`, `OtherBranch`, `OtherPlace`.
    pub async fn plan(
        &self,
        request: &CreateRequest,
        from: Option<&str>,
    ) -> Result<Vec<PlannedStep>, ManagerError> {
        let config = &self.dependencies.config;
        let order = [plan::build_provisioner_step_order(config), plan::build_runner_step_order(config)].concat();
        let from = from.unwrap_or_default();
        if !from.is_empty() && !order.iter().any(|step| step == from) {
            return Err(UnknownStep { step: from.to_owned(), known: order }.into());
        }
        let context = self.foreseen(request).await?;
        let wanted = order.iter().skip_while(|step| *step != from).cloned().collect();
        let mut foresight =
            Foresight { void: BTreeMap::new(), wanted, from: from.to_owned(), env_files: self.has_env() };
        let mut planned = Vec::new();
        for id in self.all_steps() {
            planned.push(self.foresee(&context, &id, &mut foresight).await);
        }
        Ok(planned)
    }

    /// The context as `init` would begin with it, without storing anything.
    async fn foreseen(&self, request: &CreateRequest) -> Result<Context<'_>, ManagerError> {
        let opening = Opening { request, attached: None, from: None, runs: true };
        let stored = self.dependencies.state.get_environment(&request.environment).await?;
        if let Some(entry) = &stored {
            self.refuse_other_place(entry, &opening)?;
        }
        let mut entry = stored.unwrap_or_else(|| EnvironmentEntry {
            name: request.environment.clone(),
            ..EnvironmentEntry::default()
        });
        entry.steps.retain(|name, _| !plan::is_destroy_record(name));
        entry.autostart(&steps::autostart(&self.dependencies.config));
        let context = self.context(&request.environment, Some(entry));
        context.facts().await.branch.clone_from(&request.branch);
        Ok(context)
    }

    fn all_steps(&self) -> Vec<StepId> {
        let config = &self.dependencies.config;
        let scope = self.runner_scope(true, false);
        let sync = scope.sync_code.then_some(StepId::SyncCode);
        let probe = scope.probe.then_some(StepId::Probe);
        let steps = plan::provisioner_steps(config).into_iter().chain(sync);
        steps.chain(plan::runner_steps(config)).chain(probe).collect()
    }

    async fn foresee(&self, context: &Context<'_>, id: &StepId, foresight: &mut Foresight) -> PlannedStep {
        let step = id.name();
        if let Some(why) = no_use(&self.dependencies.config, id, foresight.env_files) {
            return PlannedStep { step, runs: false, why };
        }
        let verdict = decide(context, steps::step(&self.dependencies.config, id).as_ref()).await;
        let Some(why) = foresight.why(&step, &verdict) else {
            return PlannedStep { step, runs: false, why: skipped(&verdict) };
        };
        let changed = match &verdict {
            Verdict::Run(go) if !foresight.wanted.contains(&step) => go.changed(),
            _ => None,
        };
        let mut void = plan::dependants(&self.dependencies.config, &step, changed.as_ref());
        if matches!(id, StepId::AllocatePorts | StepId::Seed(_)) {
            void.push(StepId::BuildManifest.name());
        }
        for name in void {
            foresight.void.entry(name).or_insert_with(|| format!("{step} runs before it"));
        }
        if *id == StepId::BuildManifest
            && let Ok(manifest) = steps::built_manifest(context).await
        {
            context.facts().await.manifest = Some(manifest);
        }
        PlannedStep { step, runs: true, why }
    }
}

fn skipped(verdict: &Verdict) -> String {
    let why = match verdict {
        Verdict::Skip { stale: true, .. } => {
            "done; it changed since, but running it again would lose what it made"
        }
        Verdict::Skip { verified: true, .. } => "done, nothing changed, and what it made is there",
        _ => "done, and nothing changed",
    };
    why.to_owned()
}

/// Why a project has no use for a step.
fn no_use(config: &ProjectConfig, id: &StepId, env_files: bool) -> Option<String> {
    let scope = plan::RunnerScope { sync_code: true, env_files, probe: true };
    let looked_at = [plan::provisioner_plan(config, false), plan::runner_plan(config, scope)].concat();
    if looked_at.contains(id) {
        return None;
    }
    let hook = |name: &str| Some(format!("hook {name} is not set"));
    match id {
        StepId::ProvisionerBefore => hook("provisioner.before"),
        StepId::ProvisionerAfter => hook("provisioner.after"),
        StepId::RunnerBefore => hook("runner.before"),
        StepId::RunnerDeploy => hook("runner.deploy"),
        StepId::RunnerAfter => hook("runner.after"),
        StepId::GenerateEnv => Some("no service has env".to_owned()),
        StepId::GenerateNginx => Some("the proxy is off".to_owned()),
        _ => Some("the project has no use for it".to_owned()),
    }
}
