//! Overlays: `previewctl.<mode>.yaml` laid over `previewctl.yaml` (spec §3, later rules).
//!
//! "Set" is a text that is not empty, a number other than zero, a list that is not empty, a block that is not
//! null. What an overlay does not set stays as it was; nothing can be cleared.

use std::collections::BTreeMap;

use super::parse::{self, ConfigError, kind};
use super::{
    ComputeHooks, Hook, InfrastructureConfig, PreviewPolicy, ProjectConfig, ProvisionerConfig,
    ProvisionerServiceConfig, RunnerConfig, ServiceConfig,
};
use crate::domain::yaml::tree::shown;

/// Name of the base file.
pub const BASE_FILE: &str = "previewctl.yaml";

/// Longest name of a mode, in bytes.
const LONGEST_MODE: usize = 64;

/// Reads the base file and the first overlay of the mode that exists, and merges them. The base must be sound by
/// itself, and so must the result. The compose file is not read.
///
/// `read` is given a file name beside the base file and returns its text, or `None` when there is no such file.
///
/// # Errors
/// A mode that is no plain name, a missing base, whatever `read` fails with, and everything that is wrong in either
/// file or with the merged configuration.
pub fn load(
    mode: &str,
    read: &mut dyn FnMut(&str) -> Result<Option<String>, ConfigError>,
) -> Result<ProjectConfig, ConfigError> {
    let overlay_names = overlay_files(mode)?;
    let base_text = read(BASE_FILE)?.ok_or_else(|| {
        let message = "there is no such file, so this is not a project".to_owned();
        fault(kind::UNREADABLE, BASE_FILE, message)
    })?;
    let mut config = parse::parse(&base_text, BASE_FILE)?;
    for name in overlay_names {
        if let Some(text) = read(&name)? {
            config = lay_over(config, &text, &name)?;
            break;
        }
    }
    mode.clone_into(&mut config.mode);
    Ok(config)
}

fn lay_over(base: ProjectConfig, text: &str, file: &str) -> Result<ProjectConfig, ConfigError> {
    let (overlay, lines) = parse::parse_overlay(text, file, &base.preview).map_err(|mut error| {
        if error.kind == kind::INVALID {
            error.kind = kind::OVERLAY_INVALID;
        }
        error
    })?;
    let preview = overlay.preview.clone();
    let merged = ProjectConfig { preview, ..merge(base, overlay) };
    parse::check_structure(&merged, file, &lines)?;
    Ok(merged)
}

fn fault(kind: &'static str, file: &str, message: String) -> ConfigError {
    ConfigError { kind, file: file.to_owned(), line: None, column: None, message }
}

/// File names to look for as overlay of a mode, best first. For `preview` and `sandbox`, `previewctl.remote.yaml`
/// serves where their own file does not exist.
///
/// # Errors
/// A mode that is not a plain name.
pub fn overlay_files(mode: &str) -> Result<Vec<String>, ConfigError> {
    let plain = mode.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let begins_well = mode.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !plain || !begins_well || mode.len() > LONGEST_MODE {
        let message = format!("mode `{}` must be a plain name of letters, digits, `-`, `_` and `.`", shown(mode));
        return Err(fault(kind::BAD_MODE, BASE_FILE, message));
    }
    let mut names = vec![format!("previewctl.{mode}.yaml")];
    if matches!(mode, "preview" | "sandbox") {
        names.push("previewctl.remote.yaml".to_owned());
    }
    Ok(names)
}

/// Lays `overlay` over `base`. A `preview` that is not the default replaces the base's; [`load`] is finer and merges
/// it field by field.
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
    use std::time::Duration;

    use super::*;
    use crate::domain::project::policy::{Drafts, Trigger};

    const BASE: &str = "version: 1\nname: shop\npreview: {trigger: label, drafts: skip, ttl: 3d}\n";

    fn load_from(mode: &str, files: &[(&str, &str)]) -> Result<ProjectConfig, ConfigError> {
        let mut read = |name: &str| {
            let found = files.iter().find(|(file, _)| *file == name);
            Ok(found.map(|(_, text)| (*text).to_owned()))
        };
        load(mode, &mut read)
    }

    #[test]
    fn only_plain_names_are_modes() {
        for mode in ["", ".", "..", "../x", "a/b", "a\\b", "-x", "a b", "ü", "a\0", &"x".repeat(65)] {
            assert_eq!(overlay_files(mode).unwrap_err().kind, kind::BAD_MODE, "{mode:?}");
        }
        assert_eq!(overlay_files("eu-1.b").unwrap(), ["previewctl.eu-1.b.yaml"]);
    }

    #[test]
    fn preview_and_sandbox_fall_back_to_remote() {
        let remote = ("previewctl.remote.yaml", "name: remote\n");
        for (mode, name) in [("preview", "remote"), ("sandbox", "remote"), ("local", "shop")] {
            assert_eq!(load_from(mode, &[(BASE_FILE, BASE), remote]).unwrap().name, name, "{mode}");
        }
        let own = ("previewctl.preview.yaml", "name: own\n");
        let config = load_from("preview", &[(BASE_FILE, BASE), remote, own]).unwrap();
        assert_eq!((config.name.as_str(), config.mode.as_str()), ("own", "preview"));
    }

    #[test]
    fn the_preview_block_is_merged_field_by_field_even_back_to_defaults() {
        let overlay = ("previewctl.local.yaml", "preview: {trigger: auto, probe: {path: /up}}\n");
        let preview = load_from("local", &[(BASE_FILE, BASE), overlay]).unwrap().preview;
        assert_eq!((preview.trigger, preview.drafts), (Trigger::Auto, Drafts::Skip));
        assert_eq!(preview.ttl, Some(Duration::from_hours(72)));
        assert_eq!((preview.probe.path.as_str(), preview.probe.timeout), ("/up", Duration::from_mins(1)));
        let untouched = load_from("local", &[(BASE_FILE, BASE), ("previewctl.local.yaml", "name: x\n")]).unwrap();
        assert_eq!(untouched.preview.trigger, Trigger::Label);
    }

    #[test]
    fn errors_of_an_overlay_name_the_overlay_and_its_line() {
        let file = "previewctl.local.yaml";
        for (text, kind, line) in [
            ("name: [\n", kind::OVERLAY_INVALID, None),
            ("\nservices: [a]\n", kind::OVERLAY_INVALID, Some(2)),
            ("\n\nservce: {}\n", kind::UNKNOWN_FIELD, Some(3)),
            ("services:\n  new: {command: x}\n", "service_missing_path", Some(2)),
        ] {
            let error = load_from("local", &[(BASE_FILE, BASE), (file, text)]).unwrap_err();
            assert_eq!((error.kind, error.file.as_str()), (kind, file), "{text}");
            assert!(line.is_none() || error.line == line, "{text}: {error:?}");
        }
    }

    #[test]
    fn what_reading_fails_with_is_passed_on() {
        let mut read = |name: &str| Err(fault("denied", name, "no".to_owned()));
        assert_eq!(load("local", &mut read).unwrap_err().kind, "denied");
    }
}
