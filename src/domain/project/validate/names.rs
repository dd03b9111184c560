//! What must be there, and names that must mean something.

use std::collections::BTreeMap;

use super::{Hints, ValidationError, structure};
use crate::domain::project::graph::topological_sort;
use crate::domain::project::places::{child, item};
use crate::domain::project::{ProjectConfig, ServiceConfig};
use crate::domain::yaml::tree::shown;

/// Cycles that are looked for; each is told by itself.
const MOST_CYCLES: usize = 20;

/// Where the names come from that services may depend on.
const NAMESPACES: [&str; 4] =
    ["services", "infrastructure.services", "infrastructure.include", "provisioner.services"];

/// Every problem of the configuration but those of its placeholders.
pub(super) fn check(config: &ProjectConfig, hints: &Hints) -> Vec<ValidationError> {
    let mut problems = structure::check(config);
    if !matches!(config.version, 0 | 1) {
        let message = format!("version {} is not supported", config.version);
        let error = ValidationError::new("unsupported_version", "version", message);
        problems.push(error.with_help("write `version: 1`"));
    }
    for (name, service) in &config.services {
        problems.extend(check_service(config, (name, service), hints));
    }
    problems.extend(cycles(config));
    problems.extend(fixed_ports(config));
    problems.extend(infrastructure(config));
    problems.extend(references(config, hints));
    problems
}

fn check_service(
    config: &ProjectConfig,
    (name, service): (&String, &ServiceConfig),
    hints: &Hints,
) -> Vec<ValidationError> {
    let mut problems = Vec::new();
    let place = child("services", name);
    let shown_name = shown(name);
    if service.env_file.starts_with('/') {
        let message = format!("service `{shown_name}`: env_file `{}` is absolute", shown(&service.env_file));
        let error = ValidationError::new("service_env_file_absolute", child(&place, "env_file"), message);
        problems.push(error.with_help("write it relative to the service's `path`"));
    }
    for (index, dependency) in service.depends_on.iter().enumerate() {
        let at = item(&child(&place, "depends_on"), index);
        if dependency == name {
            let message = format!("service `{shown_name}` depends on itself");
            problems.push(ValidationError::new("self_dependency", at, message));
        } else if !is_known(config, dependency) && !config.provisioner.services.contains_key(dependency) {
            let message =
                format!("service `{shown_name}` depends on `{}`, which is nowhere defined", shown(dependency));
            let error = ValidationError::new("unknown_dependency", at, message).needing(&NAMESPACES);
            let provisioned = config.provisioner.services.keys();
            problems.push(error.with_names(dependency, service_names(config).chain(provisioned), hints));
        }
    }
    problems
}

fn is_known(config: &ProjectConfig, name: &str) -> bool {
    config.services.contains_key(name) || config.infrastructure.iter().any(|i| i.services.contains_key(name))
}

fn service_names(config: &ProjectConfig) -> impl Iterator<Item = &String> {
    config.services.keys().chain(config.infrastructure.iter().flat_map(|i| i.services.keys()))
}

/// Cycles that share no service, so that each can be mended by itself.
fn cycles(config: &ProjectConfig) -> Vec<ValidationError> {
    let mut graph: BTreeMap<String, Vec<String>> =
        config.services.iter().map(|(name, service)| (name.clone(), service.depends_on.clone())).collect();
    let mut problems = Vec::new();
    while let Err(error) = topological_sort(&graph) {
        problems.push(cycle(config, &error.members, error.to_string()));
        error.members.iter().for_each(|member| drop(graph.remove(member)));
        if problems.len() == MOST_CYCLES {
            break;
        }
    }
    problems
}

/// Points at the dependency with which the circle begins.
fn cycle(config: &ProjectConfig, members: &[String], message: String) -> ValidationError {
    let (Some(first), Some(second)) = (members.first(), members.get(1)) else {
        return ValidationError::new("dependency_cycle", "services", message);
    };
    let place = child(&child("services", first), "depends_on");
    let dependencies = config.services.get(first).map_or(&[][..], |service| &service.depends_on);
    let index = dependencies.iter().position(|dependency| dependency == second).unwrap_or_default();
    let error = ValidationError::new("dependency_cycle", item(&place, index), message);
    error.with_help("take one of these dependencies away")
}

fn infrastructure(config: &ProjectConfig) -> Vec<ValidationError> {
    let Some(infrastructure) = &config.infrastructure else { return Vec::new() };
    let mut problems = Vec::new();
    if infrastructure.compose_file.is_empty() {
        let message = "`infrastructure` has no `compose_file`";
        let place = "infrastructure.compose_file";
        let error = ValidationError::new("infrastructure_missing_compose_file", place, message);
        problems.push(error.with_help("write its path from the project root"));
    }
    for name in infrastructure.services.keys().filter(|name| config.services.contains_key(*name)) {
        let message = format!("`{}` is both a service and an infrastructure service", shown(name));
        let error = ValidationError::new("name_conflict", child("services", name), message);
        problems.push(error.with_help("rename one of the two"));
    }
    for (port, names) in shared(infrastructure.services.iter().map(|(name, service)| (name, service.port))) {
        let message = format!("infrastructure services {} all publish port {port}", quoted(&names));
        let second = child(&child("infrastructure.services", names[1]), "ports");
        let error = ValidationError::new("infrastructure_port_collision", item(&second, 0), message);
        problems.push(error.with_help("publish each on a port of its own"));
    }
    problems
}

/// Services that are fixed to one port cannot run side by side (mends W-03).
fn fixed_ports(config: &ProjectConfig) -> Vec<ValidationError> {
    let shared = shared(config.services.iter().map(|(name, service)| (name, service.port)));
    let problem = |(port, names): (u16, Vec<&str>)| {
        let message = format!("services {} are all fixed to port {port}", quoted(&names));
        let place = child(&child("services", names[1]), "port");
        let error = ValidationError::new("service_port_collision", place, message);
        error.with_help("leave `port` out, so that each gets a port of its own")
    };
    shared.map(problem).collect()
}

/// Ports that more than one has; 0 is none.
fn shared<'n>(ports: impl Iterator<Item = (&'n String, u16)>) -> impl Iterator<Item = (u16, Vec<&'n str>)> {
    let mut by_port: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (name, port) in ports.filter(|(_, port)| *port != 0) {
        by_port.entry(port).or_default().push(name);
    }
    by_port.into_iter().filter(|(_, names)| names.len() > 1)
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ")
}

/// Names outside `depends_on` that must be services.
fn references(config: &ProjectConfig, hints: &Hints) -> Vec<ValidationError> {
    let mut named: Vec<(String, &str)> = Vec::new();
    for (name, service) in &config.services {
        let place = child(&child("services", name), "proxy");
        let rules = service.proxy.iter().enumerate();
        named.extend(
            rules.map(|(at, rule)| (format!("{}.to.service", item(&place, at)), rule.to_service.as_str())),
        );
    }
    if let Some(compose) = config.runner.as_ref().and_then(|runner| runner.compose.as_ref()) {
        named.extend(items("runner.compose.autostart", &compose.autostart));
    }
    named.extend(items("preview.urls", &config.preview.urls));
    if !config.preview.probe.service.is_empty() {
        named.push(("preview.probe.service".to_owned(), &config.preview.probe.service));
    }
    let unknown = named.into_iter().filter(|(_, name)| !is_known(config, name));
    unknown
        .map(|(place, name)| {
            let message = format!("`{place}` names `{}`, which is no service", shown(name));
            let error = ValidationError::new("unknown_service", place, message).needing(&NAMESPACES[..3]);
            error.with_names(name, service_names(config), hints)
        })
        .collect()
}

fn items<'c>(place: &str, names: &'c [String]) -> impl Iterator<Item = (String, &'c str)> {
    names.iter().enumerate().map(move |(index, name)| (item(place, index), name.as_str()))
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
    fn every_cycle_is_told_with_its_members() {
        let text = "{version: 1, name: x, services: {a: {path: a, depends_on: [b]}, b: {path: b, depends_on: [a]}, \
                    c: {path: c, depends_on: [d]}, d: {path: d, depends_on: [x, c]}, x: {path: x}}}";
        let found = validate(&parse_unchecked(text, "previewctl.yaml").unwrap());
        let told: Vec<(&str, &str)> = found.iter().map(|p| (p.place.as_str(), p.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("services.a.depends_on[0]", "dependency cycle: a -> b -> a"),
                ("services.c.depends_on[0]", "dependency cycle: c -> d -> c"),
            ]
        );
    }

    #[test]
    fn services_that_are_fixed_to_one_port_are_told_together() {
        let text = "{version: 1, name: x, services: {a: {path: a, port: 4000}, b: {path: b, port: 4001}, \
                    c: {path: c, port: 4000}, d: {path: d}, e: {path: e}, f: {path: f, port: 4000}}}";
        let found = validate(&parse_unchecked(text, "previewctl.yaml").unwrap());
        let told: Vec<(&str, &str)> = found.iter().map(|p| (p.place.as_str(), p.message.as_str())).collect();
        assert_eq!(told, [("services.c.port", "services `a`, `c`, `f` are all fixed to port 4000")]);
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
