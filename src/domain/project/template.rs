//! `{{namespace.name}}` placeholders (spec §6).
//!
//! `{{"{{"}}` gives a literal `{{`. What a placeholder gives is not rendered again.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::ProvisionerOutputs;
use crate::domain::host_name::service_label;
use crate::domain::port_map::PortMap;

/// What placeholders may refer to.
#[derive(Debug, Clone, Default)]
pub struct TemplateContext {
    /// Service being rendered.
    pub current: Option<String>,
    /// Service ports.
    pub services: PortMap,
    /// Infrastructure ports.
    pub infrastructure: PortMap,
    /// Outputs by provisioner service.
    pub provisioner: ProvisionerOutputs,
    /// Environment name.
    pub environment: String,
    /// The store.
    pub store: BTreeMap<String, String>,
    /// Proxy domain; empty when not configured.
    pub proxy_domain: String,
    /// Names of secrets; `{{secrets.NAME}}` of one of these stays as written.
    pub secrets: BTreeSet<String>,
}

/// A placeholder that cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}`{placeholder}`: {message}", place.as_deref().map(|p| format!("{p}: ")).unwrap_or_default())]
pub struct TemplateError {
    /// Kind name of the spec's conformance vectors, `template_bad_form`, ….
    pub kind: &'static str,
    /// `service web, PORT`, once known.
    pub place: Option<String>,
    /// The placeholder as written, braces included.
    pub placeholder: String,
    /// What is wrong with it.
    pub message: String,
}

impl TemplateError {
    /// The same error with a place put before the one that it knows.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.place = Some(match self.place {
            Some(inner) => format!("{place}, {inner}"),
            None => place.to_owned(),
        });
        self
    }
}

/// Renders one text.
///
/// # Errors
/// The first placeholder that cannot be rendered.
pub fn render(template: &str, context: &TemplateContext) -> Result<String, TemplateError> {
    substitute(template, |placeholder| match placeholder.inner {
        r#""{{""# => Ok("{{".to_owned()),
        _ => resolve(placeholder, context),
    })
}

/// Renders every value of a map; the keys stay as they are.
///
/// # Errors
/// The first placeholder, in byte order of the keys, that cannot be rendered, with its key.
pub fn render_map(
    templates: &BTreeMap<String, String>,
    context: &TemplateContext,
) -> Result<BTreeMap<String, String>, TemplateError> {
    templates
        .iter()
        .map(|(key, template)| match render(template, context) {
            Ok(text) => Ok((key.clone(), text)),
            Err(error) => Err(error.within(key)),
        })
        .collect()
}

/// Replaces only `{{secrets.NAME}}`, when env files are written.
///
/// # Errors
/// A secret that the project does not have.
pub fn render_secrets(text: &str, secrets: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    substitute(text, |placeholder| match placeholder.secret() {
        Some(name) => secrets.get(name).cloned().ok_or_else(|| placeholder.unknown_secret(name, secrets.keys())),
        None => Ok(placeholder.written.to_owned()),
    })
}

/// Names in the `{{secrets.NAME}}` placeholders of a text, as often as they occur.
#[must_use]
pub fn secret_names(text: &str) -> Vec<&str> {
    pieces(text).into_iter().filter_map(|piece| piece.ok()?.secret()).collect()
}

/// The placeholders of a text, each split at its dots: `{{ provisioner.db.URL }}` gives `provisioner`, `db`, `URL`.
#[must_use]
pub fn references(text: &str) -> Vec<Vec<&str>> {
    pieces(text).into_iter().filter_map(|piece| Some(piece.ok()?.inner.split('.').collect())).collect()
}

/// One `{{…}}` of a text.
#[derive(Clone, Copy)]
struct Placeholder<'a> {
    /// With its braces.
    written: &'a str,
    /// What stands between the braces, trimmed.
    inner: &'a str,
}

type Resolved = Result<String, TemplateError>;

impl<'a> Placeholder<'a> {
    fn secret(self) -> Option<&'a str> {
        self.inner.strip_prefix("secrets.").filter(|name| !name.contains('.'))
    }

    fn error(self, kind: &'static str, message: String) -> TemplateError {
        TemplateError { kind, place: None, placeholder: self.written.to_owned(), message }
    }

    fn bad_form(self, form: &str) -> Resolved {
        Err(self.error("template_bad_form", format!("write it as `{{{{{form}}}}}`")))
    }

    fn unknown_secret<'n>(self, name: &str, known: impl Iterator<Item = &'n String>) -> TemplateError {
        let known = listed(known);
        // Without any secret the whole namespace does not exist for this project.
        let kind = if known == NOTHING { "template_unknown_namespace" } else { "template_unknown_secret" };
        self.error(kind, format!("this project has no secret `{name}`; the secrets are {known}"))
    }
}

const NOTHING: &str = "none";

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { NOTHING.to_owned() } else { names.join(", ") }
}

/// Literal texts (`Err`) and placeholders (`Ok`) in order.
///
/// A placeholder is `{{`, one or more characters that are not `}`, and `}}`; anything else is literal.
fn pieces(text: &str) -> Vec<Result<Placeholder<'_>, &str>> {
    let mut pieces = Vec::new();
    let mut literal_start = 0;
    let mut position = 0;
    while let Some(found) = text[position..].find("{{") {
        let start = position + found;
        let inner_start = start + 2;
        let inner_end = text[inner_start..].find('}').map_or(text.len(), |length| inner_start + length);
        if inner_end > inner_start && text[inner_end..].starts_with("}}") {
            let end = inner_end + 2;
            pieces.push(Err(&text[literal_start..start]));
            let inner = text[inner_start..inner_end].trim();
            pieces.push(Ok(Placeholder { written: &text[start..end], inner }));
            literal_start = end;
            position = end;
        } else {
            position = start + 1;
        }
    }
    pieces.push(Err(&text[literal_start..]));
    pieces
}

fn substitute<'a>(text: &'a str, value: impl Fn(Placeholder<'a>) -> Resolved) -> Resolved {
    pieces(text)
        .into_iter()
        .map(|piece| match piece {
            Ok(placeholder) => value(placeholder),
            Err(literal) => Ok(literal.to_owned()),
        })
        .collect()
}

fn resolve(placeholder: Placeholder<'_>, context: &TemplateContext) -> Resolved {
    let segments: Vec<&str> = placeholder.inner.split('.').collect();
    match segments[..] {
        ["self", "port"] => own_port(placeholder, context),
        ["self", ..] => placeholder.bad_form("self.port"),
        ["services", name, "port"] => {
            port(placeholder, name, &context.services, "template_unknown_service", "service")
        }
        ["services", ..] => placeholder.bad_form("services.<name>.port"),
        ["infrastructure", name, "port"] => {
            let kind = "template_unknown_infrastructure";
            port(placeholder, name, &context.infrastructure, kind, "infrastructure service")
        }
        ["infrastructure", ..] => placeholder.bad_form("infrastructure.<name>.port"),
        ["provisioner", service, output] => provisioner_output(placeholder, service, output, context),
        ["provisioner", ..] => placeholder.bad_form("provisioner.<service>.<OUTPUT>"),
        ["env", "name"] => environment_name(placeholder, context),
        ["env", ..] => placeholder.bad_form("env.name"),
        ["store", key] => context.store.get(key).cloned().ok_or_else(|| {
            let known = listed(context.store.keys());
            let message = format!("the store has no value `{key}`; it has {known}");
            placeholder.error("template_store_missing", message)
        }),
        ["store", ..] => placeholder.bad_form("store.<KEY>"),
        ["proxy", ref rest @ ..] => proxy(placeholder, rest, context),
        ["secrets", name] if context.secrets.contains(name) => Ok(placeholder.written.to_owned()),
        ["secrets", name] => Err(placeholder.unknown_secret(name, context.secrets.iter())),
        ["secrets", ..] => placeholder.bad_form("secrets.<NAME>"),
        [namespace, ..] => Err(unknown_namespace(placeholder, namespace)),
        [] => Err(unknown_namespace(placeholder, "")),
    }
}

fn unknown_namespace(placeholder: Placeholder<'_>, namespace: &str) -> TemplateError {
    let message = format!(
        "unknown namespace `{namespace}`; there are self, services, infrastructure, provisioner, env, store, proxy and secrets, and a literal `{{{{` is written `{{{{\"{{{{\"}}}}`"
    );
    placeholder.error("template_unknown_namespace", message)
}

fn own_port(placeholder: Placeholder<'_>, context: &TemplateContext) -> Resolved {
    let Some(current) = &context.current else {
        let message = "only a service's own values can refer to itself".to_owned();
        return Err(placeholder.error("template_self_outside_service", message));
    };
    context
        .services
        .get(current)
        .map(u16::to_string)
        .ok_or_else(|| placeholder.error("template_no_port_for_self", format!("service `{current}` has no port")))
}

fn port(placeholder: Placeholder<'_>, name: &str, ports: &PortMap, unknown: &'static str, noun: &str) -> Resolved {
    ports.get(name).map(u16::to_string).ok_or_else(|| {
        let known = listed(ports.keys());
        placeholder.error(unknown, format!("no port is known for {noun} `{name}`; those with a port are {known}"))
    })
}

fn provisioner_output(
    placeholder: Placeholder<'_>,
    service: &str,
    output: &str,
    context: &TemplateContext,
) -> Resolved {
    let Some(outputs) = context.provisioner.get(service) else {
        let known = listed(context.provisioner.keys());
        let message =
            format!("no outputs of a provisioner service `{service}` are known; those with outputs are {known}");
        return Err(placeholder.error("template_unknown_provisioner_service", message));
    };
    outputs.get(output).cloned().ok_or_else(|| {
        let known = listed(outputs.keys());
        let message = format!("provisioner service `{service}` has no output `{output}`; its outputs are {known}");
        placeholder.error("template_unknown_output", message)
    })
}

fn environment_name(placeholder: Placeholder<'_>, context: &TemplateContext) -> Resolved {
    if context.environment.is_empty() {
        let message = "the environment's name is not known here".to_owned();
        return Err(placeholder.error("template_env_name_unavailable", message));
    }
    Ok(context.environment.clone())
}

fn proxy(placeholder: Placeholder<'_>, rest: &[&str], context: &TemplateContext) -> Resolved {
    let domain = &context.proxy_domain;
    if domain.is_empty() {
        let message = "no proxy domain is configured; set `runner.compose.proxy.domain`".to_owned();
        return Err(placeholder.error("template_proxy_domain_unavailable", message));
    }
    match *rest {
        ["domain"] => Ok(domain.clone()),
        ["url", service] => {
            port(placeholder, service, &context.services, "template_unknown_service", "service")?;
            let label = service_label(&environment_name(placeholder, context)?, service);
            Ok(format!("https://{label}.{domain}"))
        }
        _ => placeholder.bad_form("proxy.domain}}` or `{{proxy.url.<service>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_secret() -> TemplateContext {
        TemplateContext { secrets: BTreeSet::from(["STRIPE".to_owned()]), ..TemplateContext::default() }
    }

    #[test]
    fn a_known_secret_stays_as_written() {
        assert_eq!(render("a{{ secrets.STRIPE }}b", &with_secret()).unwrap(), "a{{ secrets.STRIPE }}b");
    }

    #[test]
    fn an_unknown_secret_names_the_known_ones() {
        let error = render("{{secrets.STRIP}}", &with_secret()).unwrap_err();
        assert_eq!(error.kind, "template_unknown_secret");
        assert!(error.message.contains("STRIPE"), "{error}");
    }

    #[test]
    fn secrets_are_filled_in_and_nothing_else() {
        let secrets = BTreeMap::from([("STRIPE".to_owned(), "sk_{{secrets.X}}".to_owned())]);
        let text = render_secrets("{{secrets.STRIPE}} {{self.port}} {{", &secrets).unwrap();
        assert_eq!(text, "sk_{{secrets.X}} {{self.port}} {{");
        assert!(render_secrets("{{secrets.X}}", &secrets).unwrap_err().message.contains("STRIPE"));
        assert_eq!(secret_names("{{secrets.A}}{{self.port}}{{ secrets.B }}"), ["A", "B"]);
    }

    #[test]
    fn braces_can_be_escaped() {
        let text = render(r#"${{"{{"}} github.sha }}"#, &TemplateContext::default()).unwrap();
        assert_eq!(text, "${{ github.sha }}");
    }

    #[test]
    fn a_bad_form_says_the_good_one() {
        let context = TemplateContext { proxy_domain: "d".to_owned(), ..TemplateContext::default() };
        let error = render("{{proxy.url}}", &context).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`{{proxy.url}}`: write it as `{{proxy.domain}}` or `{{proxy.url.<service>}}`"
        );
    }
}
