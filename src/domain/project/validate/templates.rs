//! Placeholders in `services.*.env` that could never be rendered (spec §4, §6, with the later namespaces).

use std::collections::BTreeSet;

use super::ValidationError;
use crate::domain::project::ProjectConfig;

/// Every placeholder that could not be rendered.
pub(super) fn check(config: &ProjectConfig, secrets: &BTreeSet<String>) -> Vec<ValidationError> {
    let mut problems = Vec::new();
    for (service, key, value) in values(config) {
        for placeholder in placeholders(value) {
            if let Err((kind, reason)) = check_one(config, secrets, placeholder) {
                let message = format!("service `{service}`, {key}: `{{{{{placeholder}}}}}`: {reason}");
                problems.push(ValidationError { kind, message });
            }
        }
    }
    problems
}

fn values(config: &ProjectConfig) -> impl Iterator<Item = (&str, &str, &str)> {
    config.services.iter().flat_map(|(name, service)| {
        let env = service.env.iter().flatten();
        env.map(move |(key, value)| (name.as_str(), key.as_str(), value.as_str()))
    })
}

/// The inner texts of `{{…}}`: one or more characters that are not `}`.
fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let after = &rest[open + 2..];
        let Some(end) = after.find('}') else { break };
        if end > 0 && after[end..].starts_with("}}") {
            found.push(&after[..end]);
            rest = &after[end + 2..];
        } else {
            rest = &after[end..];
        }
    }
    found
}

/// What stands between the braces to render as `{{`.
const LITERAL_BRACES: &str = "\"{{\"";

type Checked = Result<(), (&'static str, String)>;

fn check_one(config: &ProjectConfig, secrets: &BTreeSet<String>, placeholder: &str) -> Checked {
    let inner = placeholder.trim();
    if inner == LITERAL_BRACES {
        return Ok(());
    }
    let parts: Vec<&str> = inner.split('.').collect();
    match parts.as_slice() {
        ["self", "port"] | ["env", "name"] | ["proxy", "domain"] => Ok(()),
        ["store", key] if !key.is_empty() => Ok(()),
        ["services", name, "port"] | ["proxy", "url", name] => known_service(config, name),
        ["infrastructure", name, "port"] => known_infrastructure(config, name),
        ["provisioner", service, output] => known_output(config, service, output),
        ["secrets", name] if secrets.contains(*name) => Ok(()),
        ["secrets", name] if !secrets.is_empty() => {
            Err(("template_unknown_secret", format!("the project has no secret `{name}`")))
        }
        ["secrets", ..] if secrets.is_empty() => Err((
            "template_unknown_namespace",
            "unknown namespace `secrets`: the project has no secrets".to_owned(),
        )),
        [namespace, ..] => Err(bad_form(namespace)),
        [] => Err(bad_form("")),
    }
}

fn bad_form(namespace: &str) -> (&'static str, String) {
    let form = match namespace {
        "self" => "{{self.port}}",
        "services" => "{{services.<service>.port}}",
        "infrastructure" => "{{infrastructure.<service>.port}}",
        "provisioner" => "{{provisioner.<service>.<OUTPUT>}}",
        "env" => "{{env.name}}",
        "store" => "{{store.<KEY>}}",
        "secrets" => "{{secrets.<NAME>}}",
        "proxy" => "{{proxy.domain}} or {{proxy.url.<service>}}",
        _ => return ("template_unknown_namespace", format!("unknown namespace `{namespace}`")),
    };
    ("template_bad_form", format!("write `{form}`"))
}

fn known_service(config: &ProjectConfig, name: &str) -> Checked {
    let known = config.services.contains_key(name);
    if known { Ok(()) } else { Err(("template_unknown_service", format!("there is no service `{name}`"))) }
}

fn known_infrastructure(config: &ProjectConfig, name: &str) -> Checked {
    if config.infrastructure.iter().any(|i| i.services.contains_key(name)) {
        return Ok(());
    }
    Err(("template_unknown_infrastructure", format!("there is no infrastructure service `{name}`")))
}

fn known_output(config: &ProjectConfig, service: &str, output: &str) -> Checked {
    let Some(known) = config.provisioner.services.get(service) else {
        let reason = format!("there is no provisioner service `{service}`");
        return Err(("template_unknown_provisioner_service", reason));
    };
    if known.outputs.iter().any(|declared| declared == output) {
        return Ok(());
    }
    Err(("template_unknown_output", format!("provisioner service `{service}` declares no output `{output}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::project::parse::parse_unchecked;

    #[test]
    fn placeholders_are_found_as_the_renderer_finds_them() {
        for (text, found) in [
            ("{{a}}{{ b }}", vec!["a", " b "]),
            ("{{}} {a} {{a} }}", vec![]),
            ("{{{a}}}", vec!["{a"]),
            ("{{a\nb}}", vec!["a\nb"]),
            ("{{x}y{{z}}", vec!["z"]),
            ("{{open", vec![]),
        ] {
            assert_eq!(placeholders(text), found, "{text}");
        }
    }

    #[test]
    fn hostile_braces_take_linear_time() {
        let text = "{".repeat(500_000) + "}x" + &"{{}".repeat(100_000);
        assert!(placeholders(&text).is_empty());
    }

    #[test]
    fn secrets_may_be_used_by_name_when_the_project_has_them() {
        let text = "{services: {web: {path: w, env: {A: '{{secrets.KEY}}', B: '{{secrets.OTHER}}'}}}}";
        let config = parse_unchecked(text, "previewctl.yaml").unwrap();
        let kinds = |secrets: &[&str]| -> Vec<&str> {
            let secrets = secrets.iter().map(|s| (*s).to_owned()).collect();
            check(&config, &secrets).into_iter().map(|problem| problem.kind).collect()
        };
        assert!(kinds(&["KEY", "OTHER"]).is_empty());
        assert_eq!(kinds(&["KEY"]), ["template_unknown_secret"]);
        assert_eq!(kinds(&[]), ["template_unknown_namespace"; 2]);
        let known = BTreeSet::from(["KEY".to_owned()]);
        assert_eq!(check_one(&config, &known, "secrets.KEY.x").unwrap_err().0, "template_bad_form");
    }

    #[test]
    fn forms_of_the_later_namespaces() {
        let text = "{services: {web: {path: w}}}";
        let config = parse_unchecked(text, "previewctl.yaml").unwrap();
        let kind = |placeholder: &str| check_one(&config, &BTreeSet::new(), placeholder).err().map(|e| e.0);
        for good in ["\"{{\"", "env.name", " store.A ", "proxy.domain", "proxy.url.web"] {
            assert_eq!(kind(good), None, "{good}");
        }
        for bad in ["env", "env.id", "store", "store.", "store.a.b", "proxy", "proxy.url", "proxy.port"] {
            assert_eq!(kind(bad), Some("template_bad_form"), "{bad}");
        }
        assert_eq!(kind("proxy.url.api"), Some("template_unknown_service"));
    }
}
