//! Placeholders in `services.*.env` that could never be rendered (spec §4, §6, with the later namespaces).

use std::collections::{BTreeMap, BTreeSet};

use super::{Hints, ValidationError};
use crate::domain::project::ProjectConfig;
use crate::domain::project::parse::block::nearest;
use crate::domain::project::places::child;
use crate::domain::yaml::tree::shown;

/// Every placeholder that could not be rendered; `secrets` as in [`super::validate_with_secrets`].
pub(super) fn check(
    config: &ProjectConfig,
    secrets: Option<&BTreeSet<String>>,
    hints: &Hints,
) -> Vec<ValidationError> {
    let scope = Scope { config, secrets, hints };
    let mut problems = Vec::new();
    for (service, key, value) in values(config) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for placeholder in placeholders(value) {
            let nth = seen.entry(placeholder).and_modify(|nth| *nth += 1).or_default();
            if let Err(unfit) = scope.check(placeholder) {
                problems.push(unfit.told_of((service, key), placeholder, *nth));
            }
        }
    }
    problems
}

/// The variables of all services: service, name, value.
pub(super) fn values(config: &ProjectConfig) -> impl Iterator<Item = (&str, &str, &str)> {
    config.services.iter().flat_map(|(name, service)| {
        let env = service.env.iter().flatten();
        env.map(move |(key, value)| (name.as_str(), key.as_str(), value.as_str()))
    })
}

/// Why a placeholder cannot be rendered.
#[derive(Debug)]
struct Unfit {
    kind: &'static str,
    reason: String,
    help: Option<String>,
    /// Places without which this cannot be judged.
    needs: Vec<String>,
}

impl Unfit {
    fn new(kind: &'static str, reason: String) -> Self {
        Self { kind, reason, help: None, needs: Vec::new() }
    }

    fn told_of(self, (service, key): (&str, &str), placeholder: &str, nth: usize) -> ValidationError {
        let written = format!("{{{{{placeholder}}}}}");
        let message =
            format!("service `{}`, {}: `{}`: {}", shown(service), shown(key), shown(&written), self.reason);
        let place = child(&child(&child("services", service), "env"), key);
        let focus = Some((written, nth));
        ValidationError {
            focus,
            needs: self.needs,
            help: self.help,
            ..ValidationError::new(self.kind, place, message)
        }
    }
}

/// The inner texts of `{{…}}`: one or more characters that are not `}`.
pub(super) fn placeholders(text: &str) -> Vec<&str> {
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

/// Names that placeholders may begin with.
const NAMESPACES: [&str; 8] =
    ["self", "services", "infrastructure", "provisioner", "env", "store", "proxy", "secrets"];

type Checked = Result<(), Unfit>;

fn bad_form(namespace: &str) -> Unfit {
    let form = match namespace {
        "self" => "{{self.port}}",
        "services" => "{{services.<service>.port}}",
        "infrastructure" => "{{infrastructure.<service>.port}}",
        "provisioner" => "{{provisioner.<service>.<OUTPUT>}}",
        "env" => "{{env.name}}",
        "store" => "{{store.<KEY>}}",
        "secrets" => "{{secrets.<NAME>}}",
        "proxy" => "{{proxy.domain}}` or `{{proxy.url.<service>}}",
        _ => {
            let kind = "template_unknown_namespace";
            let reason = format!("unknown namespace `{}`", shown(namespace));
            let help = nearest(namespace, NAMESPACES).map_or_else(
                || format!("there are {}; a literal `{{{{` is written `{{{{\"{{{{\"}}}}`", NAMESPACES.join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            return Unfit { help: Some(help), ..Unfit::new(kind, reason) };
        }
    };
    let reason = "not of the form of its namespace".to_owned();
    Unfit { help: Some(format!("write `{form}`")), ..Unfit::new("template_bad_form", reason) }
}

/// What placeholders may refer to.
struct Scope<'a> {
    config: &'a ProjectConfig,
    secrets: Option<&'a BTreeSet<String>>,
    hints: &'a Hints,
}

impl Scope<'_> {
    fn check(&self, placeholder: &str) -> Checked {
        let inner = placeholder.trim();
        if inner == LITERAL_BRACES {
            return Ok(());
        }
        let parts: Vec<&str> = inner.split('.').collect();
        match parts.as_slice() {
            ["self", "port"] | ["env", "name"] | ["proxy", "domain"] => Ok(()),
            ["store", key] if !key.is_empty() => Ok(()),
            ["services", name, "port"] | ["proxy", "url", name] => self.known_service(name),
            ["infrastructure", name, "port"] => self.known_infrastructure(name),
            ["provisioner", service, output] => self.known_output(service, output),
            ["secrets", rest @ ..] => self.known_secret(rest),
            [namespace, ..] => Err(bad_form(namespace)),
            [] => Err(bad_form("")),
        }
    }

    fn known_service(&self, name: &str) -> Checked {
        if self.config.services.contains_key(name) {
            return Ok(());
        }
        let reason = format!("there is no service `{}`", shown(name));
        Err(self.unknown("template_unknown_service", reason, &["services"], (name, self.config.services.keys())))
    }

    fn known_infrastructure(&self, name: &str) -> Checked {
        if self.config.infrastructure.iter().any(|i| i.services.contains_key(name)) {
            return Ok(());
        }
        let kind = "template_unknown_infrastructure";
        let reason = format!("there is no infrastructure service `{}`", shown(name));
        let known = self.config.infrastructure.iter().flat_map(|i| i.services.keys());
        Err(self.unknown(kind, reason, &["infrastructure.services", "infrastructure.include"], (name, known)))
    }

    fn known_output(&self, service: &str, output: &str) -> Checked {
        let Some(known) = self.config.provisioner.services.get(service) else {
            let kind = "template_unknown_provisioner_service";
            let reason = format!("there is no provisioner service `{}`", shown(service));
            let names = self.config.provisioner.services.keys();
            return Err(self.unknown(kind, reason, &["provisioner.services"], (service, names)));
        };
        if known.outputs.iter().any(|declared| declared == output) {
            return Ok(());
        }
        let reason = format!("provisioner service `{}` declares no output `{}`", shown(service), shown(output));
        let needs = child(&child("provisioner.services", service), "outputs");
        Err(self.unknown("template_unknown_output", reason, &[&needs], (output, known.outputs.iter())))
    }

    fn known_secret(&self, path: &[&str]) -> Checked {
        match (self.secrets, path) {
            (Some(secrets), _) if secrets.is_empty() => {
                let reason = "unknown namespace `secrets`: the project has no secrets".to_owned();
                Err(Unfit::new("template_unknown_namespace", reason))
            }
            (None, [name]) if !name.is_empty() => Ok(()),
            (Some(secrets), [name]) if secrets.contains(*name) => Ok(()),
            (Some(secrets), [name]) => {
                let reason = format!("the project has no secret `{}`", shown(name));
                Err(self.unknown("template_unknown_secret", reason, &[], (name, secrets.iter())))
            }
            _ => Err(bad_form("secrets")),
        }
    }

    /// One of a namespace's names that does not exist.
    fn unknown<'n>(
        &self,
        kind: &'static str,
        reason: String,
        needs: &[&str],
        (name, known): (&str, impl Iterator<Item = &'n String>),
    ) -> Unfit {
        let help = self.hints.nearest(name, known);
        Unfit { help, needs: needs.iter().map(|place| (*place).to_owned()).collect(), ..Unfit::new(kind, reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::project::parse::parse_unchecked;

    fn check_one(config: &ProjectConfig, secrets: Option<&BTreeSet<String>>, placeholder: &str) -> Checked {
        Scope { config, secrets, hints: &Hints::default() }.check(placeholder)
    }

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
            check(&config, Some(&secrets), &Hints::default()).into_iter().map(|problem| problem.kind).collect()
        };
        assert!(kinds(&["KEY", "OTHER"]).is_empty());
        assert_eq!(kinds(&["KEY"]), ["template_unknown_secret"]);
        assert_eq!(kinds(&[]), ["template_unknown_namespace"; 2]);
        assert!(check(&config, None, &Hints::default()).is_empty(), "nobody knows the names");
        assert_eq!(check_one(&config, None, "secrets").unwrap_err().kind, "template_bad_form");
        let known = BTreeSet::from(["KEY".to_owned()]);
        assert_eq!(check_one(&config, Some(&known), "secrets.KEY.x").unwrap_err().kind, "template_bad_form");
    }

    #[test]
    fn forms_of_the_later_namespaces() {
        let text = "{services: {web: {path: w}}}";
        let config = parse_unchecked(text, "previewctl.yaml").unwrap();
        let kind =
            |placeholder: &str| check_one(&config, Some(&BTreeSet::new()), placeholder).err().map(|e| e.kind);
        for good in ["\"{{\"", "env.name", " store.A ", "proxy.domain", "proxy.url.web"] {
            assert_eq!(kind(good), None, "{good}");
        }
        for bad in ["env", "env.id", "store", "store.", "store.a.b", "proxy", "proxy.url", "proxy.port"] {
            assert_eq!(kind(bad), Some("template_bad_form"), "{bad}");
        }
        assert_eq!(kind("proxy.url.api"), Some("template_unknown_service"));
    }
}
