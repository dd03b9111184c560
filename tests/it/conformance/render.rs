//! Generated files of the application: compose file, proxy configuration, error pages; and what a reset reaches.

use std::collections::BTreeMap;

use previewbot::domain::manifest::Manifest;
use previewbot::domain::project::ProjectConfig;
use previewbot::domain::project::parse::parse;
use previewbot::domain::propagate::{affected, store_diff};
use previewbot::domain::render::{compose, error_pages, nginx};
use serde_json::{Value, json};

use super::{part, text_map};
use crate::conformance::vectors::{Binding, Vector, check_topic, compare};
use crate::support::nginx::structure;

fn config(vector: &Vector) -> ProjectConfig {
    parse(vector.text("config"), "previewctl.yaml").unwrap()
}

fn manifest(vector: &Vector) -> Manifest {
    part(vector, "manifest")
}

fn compose_file(vector: &Vector, store: &BTreeMap<String, String>) -> Result<Value, (&'static str, String)> {
    let text = compose::render(&config(vector), &manifest(vector), store, None)
        .map_err(|error| (error.kind(), error.to_string()))?;
    Ok(previewbot::domain::yaml::from_str(&text).unwrap())
}

#[test]
fn compose_generate() {
    check_topic("compose_generate", |vector, binding| {
        let store = BTreeMap::from([("K".to_owned(), "stored".to_owned())]);
        let rendered = compose_file(vector, &store);
        let Binding::Requirement(_) = binding else { return compare(binding, rendered) };
        let services = rendered.map_err(|(_, message)| message)?["services"].clone();
        let (command, expected) = match vector.name.as_str() {
            "start_uses_store_fails" => (&services["web"]["command"], "npm start -- -p stored"),
            "start_with_yaml_special_characters" => (&services["a"]["command"], "sh -c \"echo: # hi\""),
            other => return Err(format!("no check for {other}")),
        };
        if command == expected { Ok(()) } else { Err(format!("{command}")) }
    });
}

fn proxy(vector: &Vector) -> Result<Value, (&'static str, String)> {
    let rendered = nginx::render(&config(vector), &manifest(vector));
    let text = rendered.map_err(|error| (error.kind(), error.to_string()))?;
    Ok(structure(&text.expect("the proxy is on")))
}

#[test]
fn nginx_generate() {
    check_topic("nginx_generate", |vector, binding| match binding {
        Binding::Requirement(_) if vector.name == "env_name_with_slash_in_host" => {
            let servers = proxy(vector).map_err(|(_, message)| message)?["servers"].clone();
            let names = servers.as_array().unwrap().iter().filter_map(|server| server["server_name"].as_str());
            let names: Vec<&str> = names.collect();
            let legal = |name: &&str| {
                let label = name.strip_suffix(".p.example.com").unwrap_or_default();
                !label.is_empty()
                    && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            };
            if names.len() == 3 && names.iter().all(legal) { Ok(()) } else { Err(format!("{names:?}")) }
        }
        _ => compare(binding, proxy(vector)),
    });
}

#[test]
fn error_page_texts() {
    check_topic("error_pages", |vector, binding| {
        let Binding::Value(expected) = binding else { return Err(format!("no check for {binding:?}")) };
        let pages = error_pages::render(vector.text("env"));
        let names: Vec<&String> = expected.as_object().unwrap().keys().collect();
        if names != pages.keys().collect::<Vec<_>>() {
            return Err(format!("{:?}", pages.keys()));
        }
        for (name, answer) in expected.as_object().unwrap() {
            for text in answer["contains"].as_array().unwrap() {
                if !pages[name].contains(text.as_str().unwrap()) {
                    return Err(format!("{name} does not contain {text}"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn propagate() {
    check_topic("propagate", |vector, binding| match vector.op.as_deref() {
        Some("propagate_affected") => {
            let keys: Vec<String> = part(vector, "store_keys");
            let reached = affected(&config(vector), vector.text("provisioner"), &keys);
            let shown = json!({"affected": reached.services, "regenerate_compose": reached.regenerate_compose});
            compare(binding, Ok(shown))
        }
        Some("store_diff") => {
            let changed = store_diff(&text_map(vector, "before"), &text_map(vector, "after"));
            compare(binding, Ok(json!(changed)))
        }
        other => Err(format!("unknown operation {other:?}")),
    });
}

#[test]
fn line_differences() {
    use crate::conformance::vectors::load;
    for vector in load("line_diff") {
        let changes = previewbot::domain::line_diff::line_diff(vector.text("a"), vector.text("b"));
        let shown: String = changes.iter().map(|change| format!("{change}\n")).collect();
        match (&vector.expected, vector.deviation) {
            (Some(expected), false) => assert_eq!(shown, expected.as_str().unwrap(), "{}", vector.name),
            _ => assert!(!shown.is_empty(), "{}", vector.name),
        }
    }
}
