//! The catalogue: one step per file, all of one shape.

mod allocate_ports;
mod build_manifest;
mod create_compute;
mod generate_env;
mod hook;
mod probe;
mod seed_service;
mod start_infra;
mod sync_code;
mod write_manifest;

pub(super) use generate_env::written_files;
pub(super) use probe::target as probe_target;
pub(super) use seed_service::{record_outputs, seed_inputs};

use super::plan::StepId;
use super::step::Step;
use crate::domain::project::ProjectConfig;

/// The step behind a plan's entry; `None` for one that this version cannot do (the verbs refuse such projects).
pub(super) fn step(config: &ProjectConfig, id: &StepId) -> Option<Box<dyn Step>> {
    Some(match id {
        StepId::ProvisionerBefore | StepId::ProvisionerAfter => Box::new(hook::of_provisioner(config, id)),
        StepId::RunnerBefore | StepId::RunnerDeploy | StepId::RunnerAfter => Box::new(hook::of_runner(config, id)),
        StepId::CreateCompute => Box::new(create_compute::CreateCompute),
        StepId::AllocatePorts => Box::new(allocate_ports::AllocatePorts),
        StepId::Seed(service) => Box::new(seed_service::SeedService::new(config, service)),
        StepId::BuildManifest => Box::new(build_manifest::BuildManifest),
        StepId::WriteManifest => Box::new(write_manifest::WriteManifest),
        StepId::SyncCode => Box::new(sync_code::SyncCode),
        StepId::GenerateEnv => Box::new(generate_env::GenerateEnv),
        StepId::StartInfra => Box::new(start_infra::StartInfra),
        StepId::Probe => Box::new(probe::Probe),
        StepId::GenerateCompose | StepId::GenerateNginx | StepId::BuildServices | StepId::StartServices => {
            return None;
        }
    })
}
