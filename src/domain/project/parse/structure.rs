//! The shallow check after reading: what every later step takes for granted (spec §2).

use std::collections::BTreeMap;

use super::error::ConfigError;
use crate::domain::project::ProjectConfig;
use crate::domain::yaml::tree::{Position, shown};

/// Where the names that the check may complain about stand.
#[derive(Debug, Default)]
pub(in crate::domain::project) struct Lines {
    pub(super) services: BTreeMap<String, Position>,
    pub(super) provisioner_services: BTreeMap<String, Position>,
}

/// Name, version, service paths and provisioner outputs, in this order; the first that is missing.
pub(in crate::domain::project) fn check_structure(
    config: &ProjectConfig,
    file: &str,
    lines: &Lines,
) -> Result<(), ConfigError> {
    let missing = |kind, place: Option<&Position>, message: String| {
        let (line, column) = (place.map(|p| p.line), place.map(|p| p.column));
        Err(ConfigError { kind, file: file.to_owned(), line, column, message })
    };
    if config.name.is_empty() {
        return missing("missing_name", None, "`name` is missing".to_owned());
    }
    if config.version == 0 {
        return missing("missing_version", None, "`version` is missing; write `version: 1`".to_owned());
    }
    if let Some((name, _)) = config.services.iter().find(|(_, service)| service.path.is_empty()) {
        let message = format!("service `{}` has no `path`", shown(name));
        return missing("service_missing_path", lines.services.get(name), message);
    }
    let mut provisioned = config.provisioner.services.iter();
    if let Some((name, _)) = provisioned.find(|(_, service)| service.outputs.is_empty()) {
        let message = format!("provisioner service `{}` has no `outputs`", shown(name));
        return missing("provisioner_missing_outputs", lines.provisioner_services.get(name), message);
    }
    Ok(())
}
