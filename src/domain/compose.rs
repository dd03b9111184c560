//! Compose files as far as the core reads them (spec §5) and names of compose projects (spec §9).

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::hook::sanitize_name;
use super::project::InfraService;
use super::yaml::{self, Mapping, Value};

/// Something of Compose that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// Not YAML, or not of a compose file's shape.
    #[error("compose file does not parse: {0}")]
    Yaml(String),
    /// A service's first port entry is of no form that we know.
    #[error(
        "service `{service}`: port `{text}` is not understood; write it as `8080:80` or `${{NAME:-8080}}:80` with ports up to 65535"
    )]
    Port {
        /// Service name.
        service: String,
        /// The entry as written.
        text: String,
    },
    /// The output of `docker compose ps` is no JSON, or not of the known shape.
    #[error("output of `docker compose ps --format json` does not parse: {0}")]
    Ps(String),
}

/// Services of a compose file with their images and first published ports.
///
/// # Errors
/// See [`ComposeError`].
pub fn parse_infrastructure(text: &str) -> Result<BTreeMap<String, InfraService>, ComposeError> {
    let mut document: Value = yaml::from_str(text).map_err(|error| ComposeError::Yaml(error.to_string()))?;
    document.apply_merge().map_err(|error| ComposeError::Yaml(error.to_string()))?;
    let Some(file) = mapping(&document, "the file")? else { return Ok(BTreeMap::new()) };
    let Some(services) = file.get("services").map(|s| mapping(s, "`services`")).transpose()?.flatten() else {
        return Ok(BTreeMap::new());
    };
    let mut found = BTreeMap::new();
    for (name, service) in services {
        let name =
            scalar(name).ok_or_else(|| ComposeError::Yaml("a service's name is no plain text".to_owned()))?;
        let service = infra_service(&name, service)?;
        found.insert(name, service);
    }
    Ok(found)
}

fn infra_service(name: &str, value: &Value) -> Result<InfraService, ComposeError> {
    let Some(service) = mapping(value, &format!("service `{name}`"))? else { return Ok(InfraService::default()) };
    let image = match service.get("image") {
        None => String::new(),
        Some(image) => {
            scalar(image).ok_or_else(|| ComposeError::Yaml(format!("service `{name}`: `image` must be text")))?
        }
    };
    let published = match service.get("ports").map(untagged) {
        None | Some(Value::Null) => None,
        Some(Value::Sequence(ports)) => ports.first().map(|entry| published_port(name, entry)).transpose()?,
        Some(_) => return Err(ComposeError::Yaml(format!("service `{name}`: `ports` must be a list"))),
    };
    let (port, env_var) = published.unwrap_or_default();
    Ok(InfraService { image, port, env_var })
}

/// The port on the host and the variable that it is taken from, of a short or a long entry.
fn published_port(service: &str, entry: &Value) -> Result<(u16, String), ComposeError> {
    let (text, published) = if let Value::Mapping(long) = untagged(entry) {
        let text = long.get("published").or_else(|| long.get("target")).and_then(scalar).unwrap_or_default();
        let published = host_port(&text);
        (text, published)
    } else {
        let text = scalar(entry).unwrap_or_default();
        let published = short_port(&text);
        (text, published)
    };
    published.ok_or_else(|| ComposeError::Port { service: service.to_owned(), text })
}

/// `[IP:][HOST:]CONTAINER[/PROTOCOL]`, where a container port alone is published under its own number.
fn short_port(text: &str) -> Option<(u16, String)> {
    let text = match text.rsplit_once('/') {
        Some((ports, "tcp" | "udp" | "sctp")) => ports,
        Some(_) => return None,
        None => text,
    };
    let text = without_address(text);
    let end_of_host =
        if text.starts_with("${") { text.find('}')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, container) = text.split_at(end_of_host);
    match container.strip_prefix(':') {
        Some(container) => {
            plain_port(container)?;
            host_port(host)
        }
        // Only a number may stand alone: a variable alone would name the container's port.
        None if container.is_empty() => plain_port(host).map(|port| (port, String::new())),
        None => None,
    }
}

/// `text` without a leading `127.0.0.1:` or `[::1]:`.
fn without_address(text: &str) -> &str {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|t| t.split_once("]:")) {
        return if address.parse::<std::net::Ipv6Addr>().is_ok() { rest } else { text };
    }
    match text.split_once(':') {
        Some((address, rest)) if address.parse::<std::net::Ipv4Addr>().is_ok() => rest,
        _ => text,
    }
}

/// `8080`, or `${NAME:-8080}` with an upper-case name.
fn host_port(text: &str) -> Option<(u16, String)> {
    let Some(expression) = text.strip_prefix("${") else {
        return plain_port(text).map(|port| (port, String::new()));
    };
    let (name, default) = expression.strip_suffix('}')?.split_once(":-")?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    let is_name = starts_well && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let port = plain_port(default)?;
    is_name.then(|| (port, name.to_owned()))
}

fn plain_port(text: &str) -> Option<u16> {
    // `parse` alone would take a leading `+`.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => untagged(&tagged.value),
        other => other,
    }
}

/// The mapping, or nothing for null.
fn mapping<'a>(value: &'a Value, what: &str) -> Result<Option<&'a Mapping>, ComposeError> {
    match untagged(value) {
        Value::Mapping(mapping) => Ok(Some(mapping)),
        Value::Null => Ok(None),
        _ => Err(ComposeError::Yaml(format!("{what} must be a mapping"))),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match untagged(value) {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

/// One container as `docker compose ps --format json` tells it (an array, or one object per line).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ComposeContainer {
    /// Compose service.
    pub service: String,
    /// Container name.
    pub name: String,
    /// `running`, `exited`, …
    pub state: String,
    /// `healthy`, `unhealthy`, `starting` or empty.
    pub health: String,
    /// Image.
    pub image: String,
    /// Human text of the status.
    pub status: String,
    /// Exit code.
    pub exit_code: i64,
}

/// Reads the output of `docker compose ps --format json`.
///
/// # Errors
/// When it is no JSON of that shape.
pub fn parse_ps(text: &str) -> Result<Vec<ComposeContainer>, ComposeError> {
    let containers = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::Deserializer::from_str(text).into_iter().collect()
    };
    containers.map_err(|error| ComposeError::Ps(error.to_string()))
}

/// Sanitised `<project>-<environment>` that is a legal compose project name (spec §9).
///
/// A name that could not start a compose project's gets a leading letter and, because that may make it equal
/// to another's, a hash of the raw names.
#[must_use]
pub fn project_name(project: &str, environment: &str) -> String {
    let name = sanitize_name(&format!("{project}-{environment}"));
    if name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return name;
    }
    // NUL stands between the two, so that no other pair hashes alike.
    let hash = hex::encode(Sha256::digest(format!("{project}\0{environment}")));
    format!("p{name}-{}", &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_keys_and_the_long_form_are_read() {
        let text = "x: &base\n  image: pg\nservices:\n  db:\n    <<: *base\n    ports:\n      - target: 5432\n        published: \"${DB_PORT:-15432}\"\n";
        let services = parse_infrastructure(text).unwrap();
        let expected = InfraService { image: "pg".to_owned(), port: 15432, env_var: "DB_PORT".to_owned() };
        assert_eq!(services["db"], expected);
    }

    #[test]
    fn addresses_come_before_the_host_port() {
        assert_eq!(short_port("[::1]:${A:-1}:2/udp"), Some((1, "A".to_owned())));
        assert_eq!(short_port("127.0.0.1::2"), None);
        assert_eq!(short_port("example.com:1:2"), None);
        assert_eq!(short_port("+1:2"), None);
        assert_eq!(short_port(""), None);
    }

    #[test]
    fn project_names_always_start_with_a_letter_or_digit() {
        let names = [project_name("", "x"), project_name("p", "x"), project_name("_", "x"), project_name("é", "")];
        for name in &names {
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
        }
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
