//! Overlays: `previewctl.<mode>.yaml` laid over `previewctl.yaml` (spec §3, later rules).
//!
//! "Set" is a text that is not empty, a number other than zero, a list that is not empty, a block that is not
//! null. What an overlay does not set stays as it was; nothing can be cleared.

use std::collections::BTreeMap;

use super::parse::kind;
use super::problem::Problem;
use super::{
    ComputeHooks, Hook, InfrastructureConfig, PreviewPolicy, ProjectConfig, ProvisionerConfig,
    ProvisionerServiceConfig, RunnerConfig, ServiceConfig,
};
use crate::domain::yaml::tree::shown;

/// Name of the base file.
pub const BASE_FILE: &str = "previewctl.yaml";

/// Longest name of a mode, in bytes.
const LONGEST_MODE: usize = 64;

/// File names to look for as overlay of a mode, best first. For `preview` and `sandbox`, `previewctl.remote.yaml`
/// serves where their own file does not exist.
///
/// # Errors
/// A mode that is not a plain name.
pub fn overlay_files(mode: &str) -> Result<Vec<String>, Box<Problem>> {
    let plain = mode.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let begins_well = mode.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !plain || !begins_well || mode.len() > LONGEST_MODE {
        let message = format!("mode `{}` must be a plain name of letters, digits, `-`, `_` and `.`", shown(mode));
        return Err(Box::new(Problem::of_file(kind::BAD_MODE, BASE_FILE, message)));
    }
    let mut names = vec![format!("previewctl.{mode}.yaml")];
    if matches!(mode, "preview" | "sandbox") {
        names.push("previewctl.remote.yaml".to_owned());
    }
    Ok(names)
}

/// Lays `overlay` over `base`. A `preview` that is not the default replaces the base's; [`super::load`] is finer and
/// merges it field by field.
#[must_use]
pub fn merge(base: ProjectConfig, overlay: ProjectConfig) -> ProjectConfig {
    ProjectConfig {
        version: if overlay.version == 0 { base.version } else { overlay.version },
        name: text(base.name, overlay.name),
        mode: text(base.mode, overlay.mode),
        provisioner: provisioner(base.provisioner, overlay.provisioner),
        infrastructure: both(base.infrastructure, overlay.infrastructure, infrastructure),
        services: by_name(base.services, overlay.services, service),
        runner: both(base.runner, overlay.runner, runner),
        preview: if overlay.preview == PreviewPolicy::default() { base.preview } else { overlay.preview },
    }
}

fn provisioner(base: ProvisionerConfig, overlay: ProvisionerConfig) -> ProvisionerConfig {
    ProvisionerConfig {
        before: text(base.before, overlay.before),
        after: text(base.after, overlay.after),
        compute: both(base.compute, overlay.compute, compute),
        services: by_name(base.services, overlay.services, provisioner_service),
    }
}

fn compute(base: ComputeHooks, overlay: ComputeHooks) -> ComputeHooks {
    ComputeHooks {
        create: text(base.create, overlay.create),
        destroy: text(base.destroy, overlay.destroy),
        find: text(base.find, overlay.find),
        outputs: list(base.outputs, overlay.outputs),
        ssh: overlay.ssh.or(base.ssh),
    }
}

fn provisioner_service(
    base: ProvisionerServiceConfig,
    overlay: ProvisionerServiceConfig,
) -> ProvisionerServiceConfig {
    ProvisionerServiceConfig {
        outputs: list(base.outputs, overlay.outputs),
        init: text(base.init, overlay.init),
        seed: text(base.seed, overlay.seed),
        reset: text(base.reset, overlay.reset),
        destroy: text(base.destroy, overlay.destroy),
    }
}

fn infrastructure(base: InfrastructureConfig, overlay: InfrastructureConfig) -> InfrastructureConfig {
    InfrastructureConfig {
        compose_file: text(base.compose_file, overlay.compose_file),
        services: by_name(base.services, overlay.services, |_, overlay| overlay),
    }
}

fn service(base: ServiceConfig, overlay: ServiceConfig) -> ServiceConfig {
    ServiceConfig {
        path: text(base.path, overlay.path),
        command: text(base.command, overlay.command),
        depends_on: list(base.depends_on, overlay.depends_on),
        env: both(base.env, overlay.env, |base, overlay| by_name(base, overlay, |_, value| value)),
        env_file: text(base.env_file, overlay.env_file),
        port: if overlay.port == 0 { base.port } else { overlay.port },
        build: text(base.build, overlay.build),
        start: text(base.start, overlay.start),
        proxy: list(base.proxy, overlay.proxy),
    }
}

fn runner(base: RunnerConfig, overlay: RunnerConfig) -> RunnerConfig {
    RunnerConfig {
        before: hook(base.before, overlay.before),
        build: hook(base.build, overlay.build),
        deploy: hook(base.deploy, overlay.deploy),
        after: hook(base.after, overlay.after),
        destroy: hook(base.destroy, overlay.destroy),
        compose: overlay.compose.or(base.compose),
    }
}

fn hook(base: Hook, overlay: Hook) -> Hook {
    Hook { command: text(base.command, overlay.command), allow_cache: overlay.allow_cache.or(base.allow_cache) }
}

fn text(base: String, overlay: String) -> String {
    if overlay.is_empty() { base } else { overlay }
}

fn list<T>(base: Vec<T>, overlay: Vec<T>) -> Vec<T> {
    if overlay.is_empty() { base } else { overlay }
}

fn both<T>(base: Option<T>, overlay: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (base, overlay) {
        (Some(base), Some(overlay)) => Some(merge(base, overlay)),
        (base, overlay) => overlay.or(base),
    }
}

fn by_name<T>(
    mut base: BTreeMap<String, T>,
    overlay: BTreeMap<String, T>,
    merge: impl Fn(T, T) -> T,
) -> BTreeMap<String, T> {
    for (name, over) in overlay {
        let merged = match base.remove(&name) {
            Some(under) => merge(under, over),
            None => over,
        };
        base.insert(name, merged);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_modes() {
        for mode in ["", ".", "..", "../x", "a/b", "a\\b", "-x", "a b", "ü", "a\0", &"x".repeat(65)] {
            assert_eq!(overlay_files(mode).unwrap_err().kind, kind::BAD_MODE, "{mode:?}");
        }
        assert_eq!(overlay_files("eu-1.b").unwrap(), ["previewctl.eu-1.b.yaml"]);
    }
}
