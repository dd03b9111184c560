//! The ordered steps of each phase: the only place where order is written.

use std::collections::BTreeSet;

use crate::domain::entry::ComputeAccessInfo;
use crate::domain::project::{Hook, ProjectConfig, RunnerConfig};
use crate::domain::render::compose::proxy;

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepId {
    ProvisionerBefore,
    CreateCompute,
    AllocatePorts,
    Seed(String),
    BuildManifest,
    WriteManifest,
    ProvisionerAfter,
    SyncCode,
    GenerateManifest,
    RunnerBefore,
    GenerateEnv,
    StartInfra,
    GenerateCompose,
    GenerateNginx,
    BuildServices,
    StartServices,
    RunnerDeploy,
    RunnerAfter,
    Probe,
}

impl StepId {
    /// The name in records, events and plans.
    pub(super) fn name(&self) -> String {
        match self {
            Self::ProvisionerBefore => "provisioner_before".to_owned(),
            Self::CreateCompute => "create_compute".to_owned(),
            Self::AllocatePorts => "allocate_ports".to_owned(),
            Self::Seed(service) => seed_step(service),
            Self::BuildManifest => "build_manifest".to_owned(),
            Self::WriteManifest => "write_manifest".to_owned(),
            Self::ProvisionerAfter => "provisioner_after".to_owned(),
            Self::SyncCode => "sync_code".to_owned(),
            Self::GenerateManifest => "generate_manifest".to_owned(),
            Self::RunnerBefore => "runner_before".to_owned(),
            Self::GenerateEnv => "generate_env".to_owned(),
            Self::StartInfra => "start_infra".to_owned(),
            Self::GenerateCompose => "generate_compose".to_owned(),
            Self::GenerateNginx => "generate_nginx".to_owned(),
            Self::BuildServices => "build_services".to_owned(),
            Self::StartServices => "start_services".to_owned(),
            Self::RunnerDeploy => "runner_deploy".to_owned(),
            Self::RunnerAfter => "runner_after".to_owned(),
            Self::Probe => "probe".to_owned(),
        }
    }
}

/// The step that seeds a service.
pub(super) fn seed_step(service: &str) -> String {
    format!("seed_{service}")
}

/// What names of records begin with that say that a service's reset was begun.
pub(super) const RESET_INTENT_PREFIX: &str = "reset_";

/// The record that says that a service's reset was begun.
pub(super) fn reset_intent(service: &str) -> String {
    format!("{RESET_INTENT_PREFIX}{service}")
}

/// Every step that the provisioner phase can have, whether its hook is set or not; seeds in byte order.
pub(super) fn provisioner_steps(config: &ProjectConfig) -> Vec<StepId> {
    let services = config.provisioner.services.iter();
    let seeds =
        services.filter(|(_, service)| !service.seed.is_empty()).map(|(name, _)| StepId::Seed(name.clone()));
    let mut steps = vec![StepId::ProvisionerBefore, StepId::CreateCompute, StepId::AllocatePorts];
    steps.extend(seeds);
    steps.extend([StepId::BuildManifest, StepId::WriteManifest, StepId::ProvisionerAfter]);
    steps
}

/// Every checkpointed step that the runner phase can have, whether its hook is set or not.
pub(super) fn runner_steps(config: &ProjectConfig) -> Vec<StepId> {
    let mut steps = vec![StepId::RunnerBefore, StepId::GenerateEnv, StepId::StartInfra];
    if config.runner.as_ref().is_some_and(|runner| runner.compose.is_some()) {
        steps.extend([
            StepId::GenerateCompose,
            StepId::GenerateNginx,
            StepId::BuildServices,
            StepId::StartServices,
        ]);
    }
    steps.extend([StepId::RunnerDeploy, StepId::RunnerAfter]);
    steps
}

/// Every step that can be called by its name, in order.
pub(super) fn callable_steps(config: &ProjectConfig) -> Vec<StepId> {
    [StepId::SyncCode, StepId::GenerateManifest].into_iter().chain(runner_steps(config)).collect()
}

/// The steps that make the application what it should be, in order, without those that the project has no use for.
pub(super) fn application_steps(config: &ProjectConfig, env_files: bool) -> Vec<StepId> {
    let scope = RunnerScope { sync_code: false, env_files, probe: false };
    let own = [
        StepId::GenerateEnv,
        StepId::GenerateCompose,
        StepId::GenerateNginx,
        StepId::BuildServices,
        StepId::StartServices,
    ];
    runner_plan(config, scope).into_iter().filter(|id| own.contains(id)).collect()
}

/// The provisioner steps that are looked at: hooks that are not set are left out, and an attached environment
/// makes no compute.
pub(super) fn provisioner_plan(config: &ProjectConfig, attached: bool) -> Vec<StepId> {
    let wanted = |step: &StepId| match step {
        StepId::ProvisionerBefore => !config.provisioner.before.is_empty(),
        StepId::ProvisionerAfter => !config.provisioner.after.is_empty(),
        StepId::CreateCompute => !attached,
        _ => true,
    };
    provisioner_steps(config).into_iter().filter(wanted).collect()
}

/// What decides about runner steps beside the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunnerScope {
    /// Whether the checkout is brought to the commit first.
    pub(super) sync_code: bool,
    /// Whether there are env files to write.
    pub(super) env_files: bool,
    /// Whether the published URL is asked at the end.
    pub(super) probe: bool,
}

/// The runner steps that are looked at: hooks that are not set are left out.
pub(super) fn runner_plan(config: &ProjectConfig, scope: RunnerScope) -> Vec<StepId> {
    let set =
        |hook: fn(&RunnerConfig) -> &Hook| config.runner.as_ref().is_some_and(|runner| hook(runner).is_set());
    let wanted = |step: &StepId| match step {
        StepId::RunnerBefore => set(|r| &r.before),
        StepId::RunnerDeploy => set(|r| &r.deploy),
        StepId::RunnerAfter => set(|r| &r.after),
        StepId::GenerateEnv => scope.env_files,
        StepId::GenerateNginx => !matches!(proxy(config), Ok(None)),
        _ => true,
    };
    let before = scope.sync_code.then_some(StepId::SyncCode);
    let after = scope.probe.then_some(StepId::Probe);
    before.into_iter().chain(runner_steps(config).into_iter().filter(wanted)).chain(after).collect()
}

/// One part of a destroy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DestroyPart {
    RunnerDestroy,
    Service(String),
    ComputeHook,
    Compute,
    StopInfra,
    CleanupEnv,
}

impl DestroyPart {
    /// The name in events and plans.
    pub(super) fn name(&self) -> String {
        match self {
            Self::RunnerDestroy => "runner_destroy".to_owned(),
            Self::Service(service) => format!("destroy_core_{service}"),
            Self::ComputeHook => "destroy_compute_hook".to_owned(),
            Self::Compute => "destroy_compute".to_owned(),
            Self::StopInfra => "stop_infra".to_owned(),
            Self::CleanupEnv => "cleanup_env".to_owned(),
        }
    }
}

/// The parts of a destroy, in order; the entry itself goes after all of them.
pub(super) fn destroy_parts(config: &ProjectConfig, compute: Option<&ComputeAccessInfo>) -> Vec<DestroyPart> {
    let mut parts = Vec::new();
    if compute.is_some() && config.runner.as_ref().is_some_and(|runner| runner.destroy.is_set()) {
        parts.push(DestroyPart::RunnerDestroy);
    }
    let services = config.provisioner.services.iter().filter(|(_, service)| !service.destroy.is_empty());
    parts.extend(services.map(|(name, _)| DestroyPart::Service(name.clone())));
    let hook = config.provisioner.compute.as_ref().is_some_and(|hooks| !hooks.destroy.is_empty());
    match compute.map(|info| (info.kind.as_str(), info.managed_worktree)) {
        Some(("local", true)) => parts.extend([DestroyPart::Compute, DestroyPart::CleanupEnv]),
        Some(("local", false)) => parts.extend([DestroyPart::StopInfra, DestroyPart::CleanupEnv]),
        // An interrupted create may have made a machine that nobody knows the address of.
        _ if hook => parts.push(DestroyPart::ComputeHook),
        Some(_) => parts.push(DestroyPart::Compute),
        None => {}
    }
    parts
}

/// Whether a record tells of an unfinished destroy.
pub(super) fn is_destroy_record(name: &str) -> bool {
    let fixed = ["runner_destroy", "destroy_compute_hook", "destroy_compute", "stop_infra", "cleanup_env"];
    fixed.contains(&name) || name.starts_with("destroy_core_")
}

/// Whether a record tells of something that the loss of the compute does not touch.
pub(super) fn outlives_compute(name: &str) -> bool {
    name == "provisioner_before" || name == "allocate_ports" || name.starts_with("seed_")
}

/// Whether a record tells of a step that makes the environment run. What was written stays written: the record of
/// the env files is none of them.
pub(super) fn is_runner_record(name: &str) -> bool {
    ["runner_before", "start_infra", "build_services", "start_services", "runner_deploy", "runner_after"]
        .contains(&name)
}

/// Names of the provisioner phase's steps in order. The list does not depend on which hooks are set.
#[must_use]
pub fn build_provisioner_step_order(config: &ProjectConfig) -> Vec<String> {
    names(&provisioner_steps(config))
}

/// Names of the runner phase's checkpointed steps in order. The list does not depend on which hooks are set.
#[must_use]
pub fn build_runner_step_order(config: &ProjectConfig) -> Vec<String> {
    names(&runner_steps(config))
}

pub(super) fn names(steps: &[StepId]) -> Vec<String> {
    steps.iter().map(StepId::name).collect()
}

/// The steps whose result is void once `step` has run again: what was built on it is built anew. `changed`: the inputs
/// that differ from those of its run before, where that is known.
pub(super) fn dependants(config: &ProjectConfig, step: &str, changed: Option<&BTreeSet<String>>) -> Vec<String> {
    let provisioner = build_provisioner_step_order(config);
    let runner = build_runner_step_order(config);
    match (step, changed) {
        // Who depends on the list of enabled services has it among its own inputs.
        ("build_manifest" | "write_manifest", Some(changed)) if changed.iter().eq([ENABLED_SERVICES]) => {
            Vec::new()
        }
        // A user's commands may read all of it; what we make from it ourselves knows which part it is made from.
        ("build_manifest" | "write_manifest", Some(_)) => {
            let mut users = dependants_of_all(step, &provisioner, &runner);
            users.retain(|name| !MADE_FROM_PARTS.contains(&name.as_str()));
            users
        }
        _ => dependants_of_all(step, &provisioner, &runner),
    }
}

/// The same where anything may have changed.
fn dependants_of_all(step: &str, provisioner: &[String], runner: &[String]) -> Vec<String> {
    let after = provisioner.iter().skip_while(|name| *name != step).skip(1);
    let named = |names: &[&str]| runner.iter().filter(|s| names.contains(&s.as_str())).cloned().collect();
    match step {
        "create_compute" | "build_manifest" | "write_manifest" => after.chain(runner).cloned().collect(),
        "generate_env" => named(&["build_services", "start_services", "runner_deploy", "runner_after"]),
        "generate_compose" | "generate_nginx" | "build_services" => named(&["start_services"]),
        _ => Vec::new(),
    }
}

/// Steps that have the parts of the manifest that they use among their own inputs.
const MADE_FROM_PARTS: [&str; 4] = ["generate_env", "start_infra", "generate_compose", "generate_nginx"];

/// The manifest's part that says which services run.
const ENABLED_SERVICES: &str = "enabled_services";

#[cfg(test)]
mod tests {
    use super::{RunnerScope, dependants, names, provisioner_plan, runner_plan};
    use crate::domain::project::{Hook, ProjectConfig, RunnerConfig};

    fn with_deploy() -> ProjectConfig {
        let deploy = Hook { command: "./deploy.sh".to_owned(), allow_cache: None };
        ProjectConfig {
            runner: Some(RunnerConfig { deploy, ..RunnerConfig::default() }),
            ..ProjectConfig::default()
        }
    }

    #[test]
    fn only_set_hooks_are_looked_at() {
        let config = with_deploy();
        let scope = RunnerScope { sync_code: true, env_files: false, probe: true };
        let expected = ["create_compute", "allocate_ports", "build_manifest", "write_manifest"];
        assert_eq!(names(&provisioner_plan(&config, false)), expected);
        assert_eq!(names(&provisioner_plan(&config, true)), expected[1..]);
        assert_eq!(names(&runner_plan(&config, scope)), ["sync_code", "start_infra", "runner_deploy", "probe"]);
    }

    #[test]
    fn a_new_manifest_voids_the_whole_runner_phase() {
        let expected = ["write_manifest", "provisioner_after", "runner_before", "generate_env", "start_infra"];
        assert_eq!(dependants(&with_deploy(), "build_manifest", None)[..5], expected);
        assert!(dependants(&with_deploy(), "runner_before", None).is_empty());
    }
}
