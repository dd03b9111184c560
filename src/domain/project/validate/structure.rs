//! What every later step takes for granted (spec §2): name, version, service paths, provisioner outputs.

use super::ValidationError;
use crate::domain::project::ProjectConfig;
use crate::domain::project::places::child;
use crate::domain::yaml::tree::shown;

/// What of it is missing.
pub(in crate::domain::project) fn check(config: &ProjectConfig) -> Vec<ValidationError> {
    let mut missing = Vec::new();
    if config.name.is_empty() {
        let error = ValidationError::new("missing_name", "name", "`name` is missing");
        missing.push(error.with_help("write the project's name, `name: shop`"));
    }
    if config.version == 0 {
        let error = ValidationError::new("missing_version", "version", "`version` is missing");
        missing.push(error.with_help("write `version: 1`"));
    }
    for (name, _) in config.services.iter().filter(|(_, service)| service.path.is_empty()) {
        let place = child(&child("services", name), "path");
        let message = format!("service `{}` has no `path`", shown(name));
        let error = ValidationError::new("service_missing_path", place, message);
        missing.push(error.with_help("write its folder from the project root, `path: apps/web`"));
    }
    let provisioned = config.provisioner.services.iter();
    for (name, _) in provisioned.filter(|(_, service)| service.outputs.is_empty()) {
        let place = child(&child("provisioner.services", name), "outputs");
        let message = format!("provisioner service `{}` has no `outputs`", shown(name));
        let error = ValidationError::new("provisioner_missing_outputs", place, message);
        missing.push(error.with_help("list the names that its hooks print, `outputs: [URL]`"));
    }
    missing
}
