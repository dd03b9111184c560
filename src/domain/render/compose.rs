//! The application's compose file, `.previewctl.compose.yaml`. It is written as JSON, which is YAML in which no text
//! can mean anything but itself.
//!
//! Compose splits a command as a shell would, but runs no shell: it drops what follows an operator (`&&`, `|`, `>`) and
//! fills in `$NAME` from the bot's side. A command that needs a shell is therefore given to one, in the container.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::RenderError;
use crate::domain::manifest::{Manifest, start_context};
use crate::domain::project::template::{self, TemplateContext};
use crate::domain::project::{ProjectConfig, ProxyConfig, RunnerComposeConfig, ServiceConfig};

/// File name in the compute root.
pub const COMPOSE_FILE: &str = ".previewctl.compose.yaml";
/// Where the checkout is in the container of a generated service.
pub const CHECKOUT: &str = "/app";
/// The generated proxy's name in the file.
pub const PROXY_SERVICE: &str = "nginx";
/// The only proxy.
const NGINX: &str = "nginx";
const NGINX_IMAGE: &str = "nginx:alpine";

/// The file's text. Without `secrets`, `{{secrets.NAME}}` stays as written, so that the text can be compared and kept.
///
/// # Errors
/// See [`RenderError`].
pub fn render(
    config: &ProjectConfig,
    manifest: &Manifest,
    store: &BTreeMap<String, String>,
    secrets: Option<&BTreeMap<String, String>>,
) -> Result<String, RenderError> {
    let compose = compose(config)?;
    if compose.image.is_empty() {
        return Err(RenderError::NoImage);
    }
    let proxied = proxy(config)?.is_some();
    let mut services = Map::new();
    if proxied {
        if config.services.get(PROXY_SERVICE).is_some_and(|service| !service.start.is_empty()) {
            return Err(RenderError::ReservedName);
        }
        services.insert(PROXY_SERVICE.to_owned(), proxy_service());
    }
    let mut context = start_context(config, manifest, store);
    for (name, service) in config.services.iter().filter(|(_, service)| !service.start.is_empty()) {
        context.current = Some(name.clone());
        let place = format!("service {name}, start");
        let start = start(service, &context, secrets).map_err(|error| error.within(&place))?;
        let waits_for = dependencies(config, manifest, (name, service), proxied);
        services.insert(name.clone(), application(compose, service, (start, waits_for)));
    }
    Ok(format!("{:#}\n", json!({ "services": services })))
}

fn start(
    service: &ServiceConfig,
    context: &TemplateContext,
    secrets: Option<&BTreeMap<String, String>>,
) -> Result<Value, template::TemplateError> {
    let text = template::render(&service.start, context)?;
    Ok(command(&secrets.map_or(Ok(text.clone()), |secrets| template::render_secrets(&text, secrets))?))
}

fn application(
    compose: &RunnerComposeConfig,
    service: &ServiceConfig,
    (command, waits_for): (Value, Map<String, Value>),
) -> Value {
    let path = service.path.trim_start_matches("./").trim_end_matches('/');
    let beside = |file: &str| if matches!(path, "" | ".") { file.to_owned() } else { format!("{path}/{file}") };
    let directory = if matches!(path, "" | ".") { CHECKOUT.to_owned() } else { format!("{CHECKOUT}/{path}") };
    let mut value = json!({
        "image": literal(&compose.image),
        "volumes": [format!(".:{CHECKOUT}")],
        "network_mode": "host",
        "working_dir": literal(&directory),
        "command": command,
        "env_file": [literal(&beside(".env")), literal(&beside(service.env_file_or_default()))],
        "restart": "unless-stopped",
    });
    if !waits_for.is_empty() {
        value["depends_on"] = waits_for.into();
    }
    value
}

/// What a service waits for: the proxy, and the enabled services that it depends on.
fn dependencies(
    config: &ProjectConfig,
    manifest: &Manifest,
    (name, service): (&str, &ServiceConfig),
    proxied: bool,
) -> Map<String, Value> {
    let mut waits_for = Map::new();
    if proxied {
        waits_for.insert(PROXY_SERVICE.to_owned(), json!({"condition": "service_healthy"}));
    }
    let runs = |other: &String| {
        let starts = config.services.get(other).is_some_and(|other| !other.start.is_empty());
        starts && other != name && manifest.enabled_services.contains(other)
    };
    for other in service.depends_on.iter().filter(|other| runs(other)) {
        waits_for.insert(other.clone(), json!({"condition": "service_started"}));
    }
    waits_for
}

fn proxy_service() -> Value {
    json!({
        "image": NGINX_IMAGE,
        "network_mode": "host",
        "volumes": [
            "./preview/nginx.conf:/etc/nginx/conf.d/default.conf:ro",
            "./preview/error-pages:/app/preview/error-pages:ro",
        ],
        "healthcheck": {
            "test": ["CMD", "wget", "-q", "-T", "2", "-t", "1", "--spider", "http://127.0.0.1:80/health"],
            "interval": "5s",
            "timeout": "3s",
            "retries": 5,
            "start_period": "5s",
        },
        "restart": "unless-stopped",
    })
}

/// A start command as Compose is given it.
fn command(start: &str) -> Value {
    if needs_a_shell(start) { json!(["/bin/sh", "-c", literal(start)]) } else { json!(literal(start)) }
}

fn needs_a_shell(start: &str) -> bool {
    let assigns = start.split_whitespace().next().is_some_and(|word| word.contains('='));
    assigns || start.contains(['$', '`', ';', '&', '|', '<', '>', '(', ')', '\n', '\r'])
}

/// Compose fills in `$NAME` and `${NAME}` in every text; `$$` is a dollar sign.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// The `runner.compose` block.
///
/// # Errors
/// `NotConfigured`.
pub fn compose(config: &ProjectConfig) -> Result<&RunnerComposeConfig, RenderError> {
    config.runner.as_ref().and_then(|runner| runner.compose.as_ref()).ok_or(RenderError::NotConfigured)
}

/// The proxy that is generated; `None` when there is none or it is switched off.
///
/// # Errors
/// `ProxyType` for one that is not nginx.
pub fn proxy(config: &ProjectConfig) -> Result<Option<&ProxyConfig>, RenderError> {
    let proxy = config.runner.as_ref().and_then(|r| r.compose.as_ref()).and_then(|c| c.proxy.as_ref());
    match proxy.filter(|proxy| proxy.enabled != Some(false)) {
        Some(proxy) if proxy.kind.is_empty() || proxy.kind == NGINX => Ok(Some(proxy)),
        Some(proxy) => Err(RenderError::ProxyType(proxy.kind.clone())),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_must_read_is_given_to_one() {
        for plain in ["npm start -- -p 1", r#"sh -c "echo: # hi""#, "node 'a b'.js", "", "x é 🎈 %d *"] {
            assert_eq!(command(plain), json!(plain), "{plain}");
        }
        for shell in ["a && b", "a | b", "a > f", "echo $HOME", "a; b", "X=1 node a.js", "a\nb", "(a)", "`a`"] {
            assert_eq!(command(shell), json!(["/bin/sh", "-c", shell.replace('$', "$$")]), "{shell}");
        }
    }
}
