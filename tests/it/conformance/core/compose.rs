//! Compose files, the output of `docker compose ps`, and names.

use previewbot::domain::compose::{ComposeError, parse_infrastructure, parse_ps, project_name};
use previewbot::domain::hook::sanitize_name;
use serde_json::{Map, Value, json};

use crate::conformance::vectors::{Binding, check_topic, compare};

fn failure(error: &ComposeError) -> (&'static str, String) {
    let kind = match error {
        ComposeError::Yaml(_) => "compose_yaml_invalid",
        ComposeError::Port { .. } => "unsupported_port_mapping",
        ComposeError::Ps(_) => "compose_ps_invalid_json",
    };
    (kind, error.to_string())
}

fn services(text: &str) -> Result<Value, ComposeError> {
    let view = |(name, service): (String, previewbot::domain::project::InfraService)| {
        let mut shown = Map::from_iter([("port".to_owned(), json!(service.port))]);
        for (key, value) in [("image", service.image), ("env_var", service.env_var)] {
            if !value.is_empty() {
                shown.insert(key.to_owned(), json!(value));
            }
        }
        (name, Value::Object(shown))
    };
    Ok(parse_infrastructure(text)?.into_iter().map(view).collect::<Map<_, _>>().into())
}

#[test]
fn compose_parse() {
    check_topic("compose_parse", |vector, binding| match vector.op.as_deref() {
        // Reading the file is the business of whoever loads a project.
        Some("compose_parse_file_missing") => Ok(()),
        _ => compare(binding, services(vector.text("yaml")).map_err(|e| failure(&e))),
    });
}

#[test]
fn compose_ps() {
    check_topic("compose_ps", |vector, binding| {
        let shown = parse_ps(vector.text("text")).map(|containers| {
            let view = |c: previewbot::domain::compose::ComposeContainer| {
                json!({
                    "Health": c.health, "Image": c.image, "Name": c.name,
                    "Service": c.service, "State": c.state, "Status": c.status,
                })
            };
            containers.into_iter().map(view).collect()
        });
        compare(binding, shown.map_err(|e| failure(&e)))
    });
}

#[test]
fn compose_project_name() {
    check_topic("compose_project_name", |vector, binding| {
        let name = project_name(vector.text("project"), vector.text("env"));
        match binding {
            Binding::Requirement(_) if name.starts_with(|c: char| c.is_ascii_lowercase()) => Ok(()),
            _ => compare(binding, Ok(json!(name))),
        }
    });
}

#[test]
fn sanitize() {
    check_topic("sanitize", |vector, binding| compare(binding, Ok(json!(sanitize_name(vector.text("name"))))));
}
