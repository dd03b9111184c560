//! What must be there, and names that must mean something.

use std::collections::{BTreeMap, BTreeSet};

use super::ValidationError;
use crate::domain::project::graph::topological_sort;
use crate::domain::project::{ProjectConfig, ServiceConfig};

/// Every problem of the configuration but those of its placeholders.
pub(super) fn check(config: &ProjectConfig) -> Vec<ValidationError> {
    let mut problems = head(config);
    for (name, service) in &config.services {
        problems.extend(check_service(config, name, service));
    }
    problems.extend(cycle(config));
    for (name, service) in &config.provisioner.services {
        if service.outputs.is_empty() {
            let message = format!("provisioner service `{name}` has no `outputs`");
            problems.push(ValidationError::new("provisioner_missing_outputs", message));
        }
    }
    problems.extend(infrastructure(config));
    problems.extend(references(config));
    problems
}

fn head(config: &ProjectConfig) -> Vec<ValidationError> {
    let mut problems = Vec::new();
    if config.name.is_empty() {
        problems.push(ValidationError::new("missing_name", "`name` is missing"));
    }
    match config.version {
        1 => {}
        0 => problems.push(ValidationError::new("missing_version", "`version` is missing; write `version: 1`")),
        other => {
            let message = format!("version {other} is not supported; write `version: 1`");
            problems.push(ValidationError::new("unsupported_version", message));
        }
    }
    problems
}

fn check_service(config: &ProjectConfig, name: &str, service: &ServiceConfig) -> Vec<ValidationError> {
    let mut problems = Vec::new();
    if service.path.is_empty() {
        problems.push(ValidationError::new("service_missing_path", format!("service `{name}` has no `path`")));
    }
    if service.env_file.starts_with('/') {
        let message = format!("service `{name}`: env_file `{}` must be relative to its `path`", service.env_file);
        problems.push(ValidationError::new("service_env_file_absolute", message));
    }
    for dependency in &service.depends_on {
        if dependency == name {
            let message = format!("service `{name}` depends on itself");
            problems.push(ValidationError::new("self_dependency", message));
        } else if !is_known(config, dependency) && !config.provisioner.services.contains_key(dependency) {
            let message = format!("service `{name}` depends on `{dependency}`, which is nowhere defined");
            problems.push(ValidationError::new("unknown_dependency", message));
        }
    }
    problems
}

fn is_known(config: &ProjectConfig, name: &str) -> bool {
    config.services.contains_key(name) || config.infrastructure.iter().any(|i| i.services.contains_key(name))
}

fn cycle(config: &ProjectConfig) -> Option<ValidationError> {
    let graph: BTreeMap<String, Vec<String>> =
        config.services.iter().map(|(name, service)| (name.clone(), service.depends_on.clone())).collect();
    let error = topological_sort(&graph).err()?;
    Some(ValidationError::new("dependency_cycle", error.to_string()))
}

fn infrastructure(config: &ProjectConfig) -> Vec<ValidationError> {
    let Some(infrastructure) = &config.infrastructure else { return Vec::new() };
    let mut problems = Vec::new();
    if infrastructure.compose_file.is_empty() {
        let message = "`infrastructure` has no `compose_file`";
        problems.push(ValidationError::new("infrastructure_missing_compose_file", message));
    }
    for name in infrastructure.services.keys().filter(|name| config.services.contains_key(*name)) {
        let message = format!("`{name}` is both a service and an infrastructure service; rename one");
        problems.push(ValidationError::new("name_conflict", message));
    }
    let mut by_port: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (name, service) in infrastructure.services.iter().filter(|(_, service)| service.port != 0) {
        by_port.entry(service.port).or_default().push(name);
    }
    for (port, names) in by_port.iter().filter(|(_, names)| names.len() > 1) {
        let message = format!("infrastructure services {} all publish port {port}", quoted(names));
        problems.push(ValidationError::new("infrastructure_port_collision", message));
    }
    problems
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Names outside `depends_on` that must be services.
fn references(config: &ProjectConfig) -> Vec<ValidationError> {
    let mut named: BTreeSet<(String, &str)> = BTreeSet::new();
    for (name, service) in &config.services {
        named
            .extend(service.proxy.iter().map(|rule| (format!("services.{name}.proxy"), rule.to_service.as_str())));
    }
    if let Some(compose) = config.runner.as_ref().and_then(|runner| runner.compose.as_ref()) {
        named.extend(compose.autostart.iter().map(|name| ("runner.compose.autostart".to_owned(), name.as_str())));
    }
    named.extend(config.preview.urls.iter().map(|name| ("preview.urls".to_owned(), name.as_str())));
    if !config.preview.probe.service.is_empty() {
        named.insert(("preview.probe.service".to_owned(), &config.preview.probe.service));
    }
    let unknown = named.into_iter().filter(|(_, name)| !is_known(config, name));
    unknown
        .map(|(place, name)| {
            let message = format!("`{place}` names `{name}`, which is no service");
            ValidationError::new("unknown_service", message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::project::parse::parse_unchecked;
    use crate::domain::project::validate::validate;

    fn kinds(text: &str) -> Vec<&'static str> {
        validate(&parse_unchecked(text, "previewctl.yaml").unwrap()).into_iter().map(|p| p.kind).collect()
    }

    #[test]
    fn a_service_that_depends_on_itself_is_also_a_cycle() {
        let text = "{version: 1, name: x, services: {a: {path: a, depends_on: [a]}}}";
        assert_eq!(kinds(text), ["self_dependency", "dependency_cycle"]);
    }

    #[test]
    fn names_outside_depends_on_are_checked_too() {
        for part in [
            "services: {a: {path: a, proxy: [{path: /, to: {service: b}}]}}",
            "runner: {compose: {autostart: [b]}}",
            "preview: {urls: [b]}",
            "preview: {probe: {service: b}}",
        ] {
            assert_eq!(kinds(&format!("{{version: 1, name: x, {part}}}")), ["unknown_service"], "{part}");
            let defined = part.strip_prefix("services: {");
            let rest = defined.map_or_else(
                || format!("services: {{b: {{path: b}}}}, {part}"),
                |rest| format!("services: {{b: {{path: b}}, {rest}"),
            );
            assert!(kinds(&format!("{{version: 1, name: x, {rest}}}")).is_empty(), "{rest}");
        }
    }
}
