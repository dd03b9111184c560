//! The catalogue: one step per file, all of one shape.

mod allocate_ports;
mod application;
mod build_manifest;
mod build_services;
mod create_compute;
mod files;
mod generate_compose;
mod generate_env;
mod generate_manifest;
mod generate_nginx;
mod hook;
mod probe;
mod seed_service;
mod start_infra;
mod start_services;
mod sync_code;
mod write_manifest;

pub(super) use application::{autostart, enabled, to_run};
pub(super) use build_manifest::build as built_manifest;
pub(super) use create_compute::find as find_compute;
pub(super) use generate_env::written_files;
pub(super) use probe::target as probe_target;
pub(super) use seed_service::{record_outputs, seed_inputs};

use super::plan::StepId;
use super::step::Step;
use crate::domain::project::ProjectConfig;

/// The step behind a plan's entry.
pub(super) fn step(config: &ProjectConfig, id: &StepId) -> Box<dyn Step> {
    match id {
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
        StepId::GenerateManifest => Box::new(generate_manifest::GenerateManifest),
        StepId::GenerateCompose => Box::new(generate_compose::GenerateCompose),
        StepId::GenerateNginx => Box::new(generate_nginx::GenerateNginx),
        StepId::BuildServices => {
            let hook = config.runner.as_ref().map(|runner| runner.build.clone()).unwrap_or_default();
            Box::new(build_services::BuildServices::new(hook))
        }
        StepId::StartServices => Box::new(start_services::StartServices),
    }
}
