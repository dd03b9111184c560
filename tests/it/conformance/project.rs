//! Topics `config_parse`, `overlay_merge`, `validate` and `toposort`.

use std::collections::{BTreeMap, BTreeSet};

use previewbot::domain::compose;
use previewbot::domain::project::graph::topological_sort;
use previewbot::domain::project::parse::{ConfigError, parse, parse_unchecked};
use previewbot::domain::project::validate::{ProjectFiles, ValidationError, validate, validate_files};
use previewbot::domain::project::{InfrastructureConfig, ProjectConfig, overlay};
use serde_json::Value;

use super::project_view::view;
use super::vectors::{Binding, Vector, check_topic, compare};

#[test]
fn parsing_one_document() {
    check_topic("config_parse", |vector, binding| {
        let parsed = parse(vector.text("yaml"), overlay::BASE_FILE);
        compare(binding, parsed.map(|config| view(&config)).map_err(|e| failure(&e)))
    });
}

#[test]
fn laying_an_overlay_over_the_base() {
    check_topic("overlay_merge", |vector, binding| {
        let files: BTreeMap<String, String> = input(vector, "files").unwrap();
        let base: String = input(vector, "path").unwrap_or_else(|| overlay::BASE_FILE.to_owned());
        let folder = base.rfind('/').map_or("", |slash| &base[..=slash]);
        let mut read = |name: &str| {
            let path = if name == overlay::BASE_FILE { base.clone() } else { format!("{folder}{name}") };
            Ok(files.get(&path).cloned())
        };
        let loaded = overlay::load(vector.text("mode"), &mut read);
        compare(binding, loaded.map(|config| view(&config)).map_err(|e| failure(&e)))
    });
}

#[test]
fn validating_a_configuration() {
    check_topic("validate", |vector, binding| {
        let problems = problems_of(vector);
        let expected = match binding {
            Binding::Problems(expected) => expected.clone(),
            Binding::Failure(expected) => vec![expected.clone()],
            _ => Vec::new(),
        };
        let all_found = expected.iter().all(|e| problems.iter().any(|p| e.fits(p.kind, &p.message)));
        let none_more = problems.len() == expected.len();
        if all_found && none_more { Ok(()) } else { Err(format!("expected {expected:?}, got {problems:?}")) }
    });
}

#[test]
fn sorting_services_by_dependencies() {
    check_topic("toposort", |vector, binding| {
        let services: BTreeMap<String, Vec<String>> = input(vector, "services").unwrap();
        let sorted = topological_sort(&services);
        compare(binding, sorted.map(Value::from).map_err(|e| ("dependency_cycle", e.to_string())))
    });
}

fn failure(error: &ConfigError) -> (&'static str, String) {
    (error.kind, error.to_string())
}

fn input<T: serde::de::DeserializeOwned>(vector: &Vector, key: &str) -> Option<T> {
    vector.input.get(key).map(|value| serde_json::from_value(value.clone()).unwrap())
}

fn problems_of(vector: &Vector) -> Vec<ValidationError> {
    let mut config = parse_unchecked(vector.text("config"), overlay::BASE_FILE).unwrap();
    if vector.input.get("compose").is_some() {
        add_infrastructure(&mut config, vector.text("compose"));
    }
    let mut problems = validate(&config);
    if let Some(files) = input::<Files>(vector, "fs") {
        problems.extend(validate_files(&config, &files.root, &files));
    }
    problems
}

fn add_infrastructure(config: &mut ProjectConfig, compose_text: &str) {
    let services = compose::parse_infrastructure(compose_text).unwrap();
    let infrastructure = config.infrastructure.get_or_insert_with(|| InfrastructureConfig {
        compose_file: "compose.yaml".to_owned(),
        ..InfrastructureConfig::default()
    });
    infrastructure.services = services;
}

/// The files of a vector, by absolute path.
#[derive(serde::Deserialize)]
struct Files {
    root: String,
    exists: BTreeSet<String>,
}

impl ProjectFiles for Files {
    fn exists(&self, path: &str) -> bool {
        self.exists.contains(path) || self.exists.contains(&format!("{}/{path}", self.root))
    }
}
