//! Generated files of the application: compose file, proxy configuration, error pages; and what a reset reaches.

use std::collections::BTreeMap;

use previewbot::domain::line_diff;
use previewbot::domain::manifest::Manifest;
use previewbot::domain::project::ProjectConfig;
use previewbot::domain::project::parse::parse;
use previewbot::domain::propagate::{affected, store_diff};
use previewbot::domain::render::{RenderError, compose, error_pages, nginx};
use serde_json::{Value, json};

use super::checks::{Outcome, Verdict, compare, ensure, is_dns_label, told, unknown_operation};
use super::vectors::{Answer, Vector};
use crate::nginx_grammar::structure;

fn config(vector: &Vector) -> ProjectConfig {
    parse(vector.text("config"), "previewctl.yaml").unwrap()
}

fn failure(error: &RenderError) -> (&'static str, String) {
    (error.kind(), error.to_string())
}

pub(super) fn compose_generate(vector: &Vector, answer: &Answer) -> Verdict {
    // Start commands of the vectors that refer to the store name this value.
    let store = BTreeMap::from([("K".to_owned(), "stored".to_owned())]);
    let manifest: Manifest = vector.part_or_default("manifest");
    let text = compose::render(&config(vector), &manifest, &store, None);
    let outcome = text.map(|text| previewbot::domain::yaml::from_str(&text).unwrap()).map_err(|e| failure(&e));
    compare(answer, outcome, |_, outcome| commands_survive(&config(vector), outcome))
}

/// Every start command is one string of the file, with what it refers to filled in.
fn commands_survive(config: &ProjectConfig, outcome: &Outcome) -> Verdict {
    let file = outcome.as_ref().map_err(|(_, message)| message.clone())?;
    for (name, service) in config.services.iter().filter(|(_, service)| !service.start.is_empty()) {
        let command = &file["services"][name]["command"];
        let expected = service.start.replace("{{store.K}}", "stored").replace("{{self.port}}", "61000");
        ensure(*command == json!(expected), format!("{name}: {command}"))?;
    }
    Ok(())
}

pub(super) fn nginx_generate(vector: &Vector, answer: &Answer) -> Verdict {
    let manifest: Manifest = vector.part_or_default("manifest");
    let text = nginx::render(&config(vector), &manifest).map_err(|error| failure(&error));
    let outcome = text.map(|text| text.map_or(Value::Null, |text| structure(&text)));
    compare(answer, outcome, |_, outcome| {
        let file = outcome.as_ref().map_err(|(_, message)| message.clone())?;
        let servers = file["servers"].as_array().into_iter().flatten();
        let hosts: Vec<&str> = servers.filter_map(|server| server["server_name"].as_str()).collect();
        let legal = |host: &&str| host.strip_suffix(".p.example.com").is_some_and(is_dns_label);
        ensure(!hosts.is_empty() && hosts.iter().all(legal), format!("{hosts:?}"))
    })
}

pub(super) fn error_page_texts(vector: &Vector, answer: &Answer) -> Verdict {
    let Answer::Value(expected) = answer else { return Err(format!("no check for {answer:?}")) };
    let pages = error_pages::render(vector.text("env"));
    let expected = expected.as_object().unwrap();
    ensure(expected.keys().eq(pages.keys()), format!("{:?}", pages.keys()))?;
    for (name, page) in expected {
        for text in page["contains"].as_array().unwrap() {
            ensure(pages[name].contains(text.as_str().unwrap()), format!("{name} does not contain {text}"))?;
        }
    }
    Ok(())
}

pub(super) fn propagate(vector: &Vector, answer: &Answer) -> Verdict {
    let outcome = match vector.op.as_deref() {
        Some("propagate_affected") => {
            let keys: Vec<String> = vector.part_or_default("store_keys");
            let reached = affected(&config(vector), vector.text("provisioner"), &keys);
            json!({"affected": reached.services, "regenerate_compose": reached.regenerate_compose})
        }
        Some("store_diff") => {
            json!(store_diff(&vector.part_or_default("before"), &vector.part_or_default("after")))
        }
        other => return unknown_operation(other),
    };
    compare(answer, Ok(outcome), told)
}

pub(super) fn line_differences(vector: &Vector, answer: &Answer) -> Verdict {
    let changes = line_diff::line_diff(vector.text("a"), vector.text("b"));
    let shown: String = changes.iter().flat_map(|change| [change.to_string(), "\n".to_owned()]).collect();
    compare(answer, Ok(json!(shown)), |_, _| ensure(!shown.is_empty(), "no difference is shown"))
}
