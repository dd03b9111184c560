//! Check runs. Sent raw: octocrab's builders know neither buttons nor our own id of a run.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api::{Api, Request};
use super::text::{CHECK, TITLE, cut, encode};
use crate::domain::change::{Repository, Sha};
use crate::domain::environment::{Annotation, AnnotationLevel};
use crate::domain::error::PortResult;
use crate::domain::ports::{Check, CheckState, NewCheck};

/// Annotations that one request may carry.
const MAX_ANNOTATIONS: usize = 50;

/// Which check is looked for.
pub(super) struct Wanted<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Our own id of it.
    pub(super) external_id: &'a str,
}

#[derive(Deserialize)]
struct Runs {
    check_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    output: Output,
}

#[derive(Deserialize, Default)]
struct Output {
    #[serde(default)]
    annotations_count: u64,
}

/// A check of ours on a commit, the newest of those with this id.
pub(super) async fn find(
    api: &Api,
    repository: &Repository,
    sha: &Sha,
    wanted: &Wanted<'_>,
) -> PortResult<Option<Check>> {
    let root = Api::repository_path(repository)?;
    let (name, app) = (encode(wanted.name), api.credentials.app_id);
    let path = format!("{root}/commits/{sha}/check-runs?check_name={name}&filter=all&app_id={app}");
    let runs = api.all_pages(repository, &path, |page: Runs| page.check_runs).await?;
    let ours = runs.into_iter().filter(|run| run.external_id.as_deref() == Some(wanted.external_id));
    Ok(ours
        .max_by_key(|run| run.id)
        .map(|run| Check { id: run.id, external_id: run.external_id.unwrap_or_default() }))
}

/// Makes a check; its id.
pub(super) async fn create(api: &Api, repository: &Repository, check: &NewCheck) -> PortResult<u64> {
    let mut body = fields(check, 0);
    body.insert("head_sha".to_owned(), json!(check.sha));
    let path = format!("{}/check-runs", Api::repository_path(repository)?);
    let run: Run = api.read(repository, Request::post(path.clone(), Value::Object(body))).await?;
    annotate(api, repository, (&format!("{path}/{}", run.id), check), MAX_ANNOTATIONS).await?;
    Ok(run.id)
}

/// Brings a check to what it should show. GitHub adds annotations to those that are there, so each goes only once.
pub(super) async fn update(api: &Api, repository: &Repository, id: u64, check: &NewCheck) -> PortResult<()> {
    let path = format!("{}/check-runs/{id}", Api::repository_path(repository)?);
    let mut sent = check.annotations.len();
    if !check.annotations.is_empty() {
        let run: Run = api.read(repository, Request::get(path.clone())).await?;
        sent = sent_before(run.output.annotations_count, check);
    }
    api.send(repository, Request::patch(path.clone(), Value::Object(fields(check, sent)))).await?;
    annotate(api, repository, (&path, check), sent.saturating_add(MAX_ANNOTATIONS)).await
}

/// How many of the annotations need not be sent: all, unless the check has none or whole requests of them.
fn sent_before(count: u64, check: &NewCheck) -> usize {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count.is_multiple_of(MAX_ANNOTATIONS) { count } else { check.annotations.len() }
}

/// Sends the annotations from `from` on, as many at a time as GitHub takes.
async fn annotate(
    api: &Api,
    repository: &Repository,
    (path, check): (&str, &NewCheck),
    from: usize,
) -> PortResult<()> {
    for from in (from..check.annotations.len()).step_by(MAX_ANNOTATIONS) {
        let body = Value::Object(fields(check, from));
        api.send(repository, Request::patch(path.to_owned(), body)).await?;
    }
    Ok(())
}

/// What creating and changing have in common, with one request's annotations from `from` on.
fn fields(check: &NewCheck, from: usize) -> Map<String, Value> {
    let mut output = Map::new();
    output.insert("title".to_owned(), json!(cut(&check.title, TITLE)));
    output.insert("summary".to_owned(), json!(cut(&check.summary, CHECK)));
    if let Some(text) = &check.text {
        output.insert("text".to_owned(), json!(cut(text, CHECK)));
    }
    let annotations: Vec<_> = check.annotations.iter().skip(from).take(MAX_ANNOTATIONS).map(annotation).collect();
    if !annotations.is_empty() {
        output.insert("annotations".to_owned(), json!(annotations));
    }
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(check.name));
    body.insert("external_id".to_owned(), json!(check.external_id));
    body.insert("output".to_owned(), Value::Object(output));
    if let Some(url) = &check.details_url {
        body.insert("details_url".to_owned(), json!(url));
    }
    if let CheckState::Completed(conclusion) = check.state {
        body.insert("status".to_owned(), json!("completed"));
        body.insert("conclusion".to_owned(), json!(conclusion.as_str()));
    } else {
        body.insert("status".to_owned(), json!(check.state.as_str()));
    }
    body
}

fn annotation(annotation: &Annotation) -> Value {
    let line = annotation.line.max(1);
    let level = match annotation.level {
        AnnotationLevel::Failure => "failure",
        AnnotationLevel::Warning => "warning",
    };
    let mut fields = json!({
        "path": annotation.path,
        "start_line": line,
        "end_line": line,
        "annotation_level": level,
        "message": cut(&annotation.message, CHECK),
    });
    if let Some(column) = annotation.column {
        fields["start_column"] = json!(column);
        fields["end_column"] = json!(column);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ports::CheckConclusion;

    fn check(state: CheckState) -> NewCheck {
        let annotation = Annotation {
            path: "previewctl.yaml".to_owned(),
            line: 0,
            column: Some(3),
            level: AnnotationLevel::Warning,
            message: "bad".to_owned(),
        };
        NewCheck {
            name: "preview".to_owned(),
            sha: "a".repeat(40).parse().unwrap(),
            external_id: "e1".to_owned(),
            state,
            details_url: None,
            title: "t".repeat(400),
            summary: "s".repeat(70_000),
            text: None,
            annotations: vec![annotation; 60],
        }
    }

    #[test]
    fn a_conclusion_is_sent_only_when_there_is_one() {
        let running = fields(&check(CheckState::InProgress), 60);
        assert_eq!((running.get("status"), running.get("conclusion")), (Some(&json!("in_progress")), None));
        let ended = fields(&check(CheckState::Completed(CheckConclusion::TimedOut)), 60);
        assert_eq!(ended.get("status"), Some(&json!("completed")));
        assert_eq!(ended.get("conclusion"), Some(&json!("timed_out")));
    }

    #[test]
    fn annotations_go_on_where_a_request_ended_and_are_not_sent_twice() {
        let check = check(CheckState::Queued);
        for (count, sent) in [(0, 0), (50, 50), (60, 60), (1, 60)] {
            assert_eq!(sent_before(count, &check), sent, "{count}");
        }
    }

    #[test]
    fn githubs_limits_are_kept() {
        let body = Value::Object(fields(&check(CheckState::Queued), 0));
        assert_eq!(body["output"]["annotations"].as_array().unwrap().len(), MAX_ANNOTATIONS);
        let first = &body["output"]["annotations"][0];
        assert_eq!((&first["start_line"], &first["start_column"]), (&json!(1), &json!(3)));
        assert_eq!(first["annotation_level"], "warning");
        let rest = Value::Object(fields(&check(CheckState::Queued), MAX_ANNOTATIONS));
        assert_eq!(rest["output"]["annotations"].as_array().unwrap().len(), 10);
        assert_eq!(body["output"]["summary"].as_str().unwrap().chars().count(), CHECK);
        assert_eq!(body["output"]["title"].as_str().unwrap().chars().count(), TITLE);
    }
}
