//! Compose files, the output of `docker compose ps`, and names.

use std::collections::BTreeSet;

use previewbot::domain::compose::{self, ComposeContainer, parse_ps, project_name};
use previewbot::domain::hook::sanitize_name;
use previewbot::domain::project::problem::Problem;
use previewbot::domain::project::{InfraService, InfrastructureConfig, ProjectConfig, validate::validate_files};
use serde_json::{Map, Value, json};

use super::checks::{Outcome, Verdict, compare, ensure, told, unknown_operation};
use super::project::Files;
use super::vectors::{Answer, Vector};

/// The original reads the first port of each service alone, and refuses some forms that Compose takes: what is
/// said of any other port is no answer to a vector.
fn binds(problem: &Problem) -> bool {
    problem.kind != "unsupported_port_mapping" || problem.place.ends_with(".ports[0]")
}

fn services(text: &str) -> Outcome {
    let view = |(name, service): (String, InfraService)| {
        let mut shown = Map::from_iter([("port".to_owned(), json!(service.port))]);
        for (key, value) in [("image", service.image), ("env_var", service.env_var)] {
            if !value.is_empty() {
                shown.insert(key.to_owned(), json!(value));
            }
        }
        (name, Value::Object(shown))
    };
    let file = compose::read(text, "compose.yaml");
    if let Some(problem) = file.problems.iter().find(|problem| binds(problem)) {
        return Err((problem.kind, problem.to_string()));
    }
    Ok(file.services.into_iter().map(view).collect::<Map<_, _>>().into())
}

pub(super) fn parse(vector: &Vector, answer: &Answer) -> Verdict {
    match vector.op.as_deref() {
        None | Some("compose_parse") => compare(answer, services(vector.text("yaml")), told),
        Some("compose_parse_file_missing") => compare(answer, missing_file(vector.text("path")), told),
        other => unknown_operation(other),
    }
}

/// What is said of a project whose compose file is not there.
fn missing_file(path: &str) -> Outcome {
    let infrastructure = InfrastructureConfig { compose_file: path.to_owned(), ..InfrastructureConfig::default() };
    let config = ProjectConfig { infrastructure: Some(infrastructure), ..ProjectConfig::default() };
    let files = Files { root: "/project".to_owned(), exists: BTreeSet::new() };
    let problem =
        validate_files(&config, &files.root, &files).into_iter().find(|p| p.kind == "compose_file_not_found");
    problem.map_or(Ok(Value::Null), |problem| Err(("compose_unreadable", problem.message)))
}

pub(super) fn ps(vector: &Vector, answer: &Answer) -> Verdict {
    let view = |c: ComposeContainer| {
        json!({
            "Health": c.health, "Image": c.image, "Name": c.name,
            "Service": c.service, "State": c.state, "Status": c.status,
        })
    };
    let shown = parse_ps(vector.text("text")).map(|containers| containers.into_iter().map(view).collect());
    compare(answer, shown.map_err(|e| ("compose_ps_invalid_json", e.to_string())), told)
}

pub(super) fn project_names(vector: &Vector, answer: &Answer) -> Verdict {
    let (project, environment) = (vector.text("project"), vector.text("env"));
    let name = project_name(project, environment);
    compare(answer, Ok(json!(name)), |words, _| {
        ensure(is_compose_name(&name), format!("{name:?} is no legal name of a compose project"))?;
        let apart = ["uniq", "distinct", "differ", "collide", "injective", "same"];
        let neighbours = [
            (sanitize_name(project), sanitize_name(environment)),
            (format!("{project}-"), environment.to_owned()),
        ];
        for (p, e) in neighbours.iter().filter(|(p, e)| (p.as_str(), e.as_str()) != (project, environment)) {
            let meets = project_name(p, e) == name && apart.iter().any(|word| words.contains(word));
            ensure(!meets, format!("{name:?} is that of {p:?} and {e:?}, too"))?;
        }
        Ok(())
    })
}

/// What docker compose takes: it starts with a lower-case letter or digit.
fn is_compose_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    starts_well && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

pub(super) fn sanitize(vector: &Vector, answer: &Answer) -> Verdict {
    let name = sanitize_name(vector.text("name"));
    compare(answer, Ok(json!(name)), |_, _| {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        ensure(name.bytes().all(legal), name.clone())
    })
}
