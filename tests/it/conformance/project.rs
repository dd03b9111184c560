//! Topics `config_parse`, `overlay_merge`, `validate` and `toposort`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use previewbot::domain::compose;
use previewbot::domain::project::graph::topological_sort;
use previewbot::domain::project::load::{LoadError, ProjectReader, ReadError, recall};
use previewbot::domain::project::parse::{parse, parse_unchecked};
use previewbot::domain::project::problem::Problems;
use previewbot::domain::project::validate::{ProjectFiles, ValidationError, validate, validate_files};
use previewbot::domain::project::{InfrastructureConfig, ProjectConfig, overlay};
use serde_json::{Value, json};

use super::access::block_on;
use super::checks::{Outcome, Verdict, compare, ensure};
use super::project_view::view;
use super::vectors::{Answer, ExpectedError, Vector};

/// The configuration that other topics work with.
pub(super) fn parsed(text: &str) -> ProjectConfig {
    parse(text, overlay::BASE_FILE).unwrap_or_else(|e| panic!("the vector's configuration: {e}"))
}

/// All that is wrong is told at once: what the vector expects must be among it, and the first counts otherwise.
fn loaded(config: Result<ProjectConfig, Problems>, answer: &Answer) -> Outcome {
    config.map(|config| view(&config)).map_err(|problems| {
        let told: Vec<(&str, String)> =
            problems.iter().map(|problem| (problem.kind, problem.to_string())).collect();
        let expected = match answer {
            Answer::Failure(expected) => told.iter().find(|(kind, message)| expected.fits(kind, message)),
            _ => None,
        };
        expected.or(told.first()).cloned().unwrap_or_default()
    })
}

/// Words cannot ask for less than this: what is taken is a whole configuration, what is not is told.
fn sound(outcome: &Outcome) -> Verdict {
    match outcome {
        Ok(config) => ensure(config["name"].is_string() && config["version"].is_number(), config.to_string()),
        Err((_, message)) => ensure(!message.is_empty(), "the error says nothing"),
    }
}

pub(super) fn config_parse(vector: &Vector, answer: &Answer) -> Verdict {
    let outcome = loaded(parse(vector.text("yaml"), overlay::BASE_FILE), answer);
    compare(answer, outcome, |_, outcome| sound(outcome))
}

pub(super) fn overlay_merge(vector: &Vector, answer: &Answer) -> Verdict {
    let files: BTreeMap<String, String> = vector.part_or_default("files");
    let base: String = vector.part("path").unwrap_or_else(|| overlay::BASE_FILE.to_owned());
    let read = block_on(recall(vector.text("mode"), &VectorFiles { files, base }));
    let config = read.map(|loaded| loaded.config).map_err(|error| match error {
        LoadError::Refused(refused) => refused.problems,
        LoadError::Port(error) => panic!("{error}"),
    });
    let outcome = loaded(config, answer);
    compare(answer, outcome, |_, outcome| sound(outcome))
}

/// The files of an overlay's vector, beside a base file that may be called anything.
struct VectorFiles {
    files: BTreeMap<String, String>,
    base: String,
}

#[async_trait]
impl ProjectReader for VectorFiles {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let folder = self.base.rfind('/').map_or("", |slash| &self.base[..=slash]);
        let path = if name == overlay::BASE_FILE { self.base.clone() } else { format!("{folder}{name}") };
        Ok(self.files.get(&path).map(|text| text.clone().into_bytes()))
    }

    fn whereabouts(&self) -> String {
        "in the vector".to_owned()
    }
}

pub(super) fn validation(vector: &Vector, answer: &Answer) -> Verdict {
    let problems: Vec<(&str, String)> = match problems_of(vector) {
        Ok(problems) => problems.iter().map(|p| (p.kind, p.message.clone())).collect(),
        Err(problems) => problems.iter().map(|p| (p.kind, p.to_string())).collect(),
    };
    let expected = match answer {
        Answer::Problems(expected) => expected.clone(),
        Answer::Failure(expected) => vec![expected.clone()],
        Answer::Requirement(_) => {
            return ensure(problems.iter().all(|(_, m)| !m.is_empty()), format!("{problems:?}"));
        }
        Answer::Value(Value::String(ok)) if ok == "ok" => Vec::new(),
        other => return Err(format!("{other:?} is no answer for a validation")),
    };
    let found = |e: &ExpectedError| problems.iter().any(|(kind, message)| e.fits(kind, message));
    let complete = expected.iter().all(found) && problems.len() == expected.len();
    ensure(complete, format!("expected {expected:?}, got {problems:?}"))
}

fn problems_of(vector: &Vector) -> Result<Vec<ValidationError>, Problems> {
    let mut config = parse_unchecked(vector.text("config"), overlay::BASE_FILE)?;
    if let Some(compose_text) = vector.part::<String>("compose") {
        let services = compose::read(&compose_text, "compose.yaml").services;
        config.infrastructure.get_or_insert_with(without_services).services = services;
    }
    let mut problems = validate(&config);
    if let Some(files) = vector.part::<Files>("fs") {
        problems.extend(validate_files(&config, &files.root, &files));
    }
    Ok(problems)
}

fn without_services() -> InfrastructureConfig {
    InfrastructureConfig { compose_file: "compose.yaml".to_owned(), ..InfrastructureConfig::default() }
}

/// The files of a vector: a path that exists is written from the root on, or from the project root.
#[derive(serde::Deserialize)]
pub(super) struct Files {
    #[serde(default)]
    pub(super) root: String,
    #[serde(default)]
    pub(super) exists: BTreeSet<String>,
}

impl ProjectFiles for Files {
    fn exists(&self, path: &str) -> bool {
        self.exists.contains(path) || self.exists.contains(&format!("{}/{path}", self.root))
    }
}

pub(super) fn toposort(vector: &Vector, answer: &Answer) -> Verdict {
    let services: BTreeMap<String, Option<Vec<String>>> = vector.part_or_default("services");
    let services: BTreeMap<String, Vec<String>> =
        services.into_iter().map(|(name, needs)| (name, needs.unwrap_or_default())).collect();
    let sorted = topological_sort(&services);
    let outcome = sorted.as_ref().map(|order| json!(order)).map_err(|e| ("dependency_cycle", e.to_string()));
    compare(answer, outcome, |_, _| {
        let Ok(order) = &sorted else { return Ok(()) };
        let place = |name: &String| order.iter().position(|other| other == name);
        let after = |name: &String| services[name].iter().filter_map(place).all(|p| Some(p) < place(name));
        ensure(order.len() == services.len() && order.iter().all(after), format!("{}", Value::from(order.clone())))
    })
}
