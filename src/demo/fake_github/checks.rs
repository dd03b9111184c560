//! Check runs.

use serde_json::{Value, json};

use super::answer::{Answer, Call};
use super::shapes;
use super::state::{FakeRepository, World};

/// A check run.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeCheck {
    /// GitHub's id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The commit that it is of.
    pub head_sha: String,
    /// The App's own id of it.
    pub external_id: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Page with more.
    pub details_url: Option<String>,
    /// Title, summary and text as they were sent last, and all annotations that were ever sent.
    pub output: Value,
    /// Buttons as they were sent last.
    pub actions: Value,
    /// When it started.
    pub started_at: Option<String>,
    /// When it ended.
    pub completed_at: Option<String>,
    /// Every state that it was in, oldest first: status, or conclusion once completed.
    pub history: Vec<String>,
}

impl FakeCheck {
    /// The title of its output.
    #[must_use]
    pub fn title(&self) -> &str {
        self.output["title"].as_str().unwrap_or_default()
    }
}

const STATES: [&str; 3] = ["queued", "in_progress", "completed"];
const CONCLUSIONS: [&str; 7] =
    ["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"];
const LONGEST: usize = 65_535;

/// A check run as the API shows it.
pub(super) fn shape(world: &World, repository: &FakeRepository, check: &FakeCheck) -> Value {
    let api = shapes::repository_url(&world.base_url, &repository.spec.name);
    let output = &check.output;
    json!({
        "id": check.id,
        "node_id": format!("CR_{}", check.id),
        "name": check.name,
        "head_sha": check.head_sha,
        "external_id": check.external_id,
        "url": format!("{api}/check-runs/{}", check.id),
        "html_url": format!("{}/{}/runs/{}", world.base_url, repository.spec.name, check.id),
        "details_url": check.details_url,
        "status": check.status,
        "conclusion": check.conclusion,
        "started_at": check.started_at,
        "completed_at": check.completed_at,
        "output": {
            "title": output["title"],
            "summary": output["summary"],
            "text": output["text"],
            "annotations_count": output["annotations"].as_array().map_or(0, Vec::len),
            "annotations_url": format!("{api}/check-runs/{}/annotations", check.id),
        },
        "check_suite": { "id": shapes::account_id(&check.head_sha) },
        "app": shapes::app(world),
        "pull_requests": pulls_of(&api, repository, check),
    })
}

/// Open pull requests of the commit; those from forks are never listed, as on GitHub.
fn pulls_of(api: &str, repository: &FakeRepository, check: &FakeCheck) -> Vec<Value> {
    let side = |branch: &str, sha: &str| {
        let repository = json!({ "id": repository.spec.id, "url": api, "name": repository.spec.name });
        json!({ "ref": branch, "sha": sha, "repo": repository })
    };
    let here = repository.pulls.values().filter(|pull| pull.head_repository == Some(repository.spec.id));
    here.filter(|pull| pull.open && pull.head_sha == check.head_sha)
        .map(|pull| {
            json!({
                "id": pull.id,
                "number": pull.number,
                "url": format!("{api}/pulls/{}", pull.number),
                "head": side(&pull.head_branch, &pull.head_sha),
                "base": side(&pull.base_branch, &pull.base_sha),
            })
        })
        .collect()
}

/// Everything below `/repos/{o}/{r}/check-runs`.
pub(super) fn route(world: &mut World, id: u64, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(world, id, call),
        ("GET", [check]) => get(world, id, check),
        ("PATCH", [check]) => update(world, id, call, check),
        _ => Answer::unexpected(),
    }
}

fn get(world: &World, id: u64, check: &str) -> Answer {
    let repository = &world.repositories[&id];
    let check = check.parse().ok().and_then(|check: u64| repository.checks.get(&check));
    check.map_or_else(Answer::missing, |check| Answer::ok(&shape(world, repository, check)))
}

/// `GET /repos/{o}/{r}/commits/{sha}/check-runs`, newest first; by default only the latest of each name.
pub(super) fn of_commit(world: &World, repository: &FakeRepository, call: &Call, sha: &str) -> Answer {
    let app = call.asked("app_id").is_none_or(|app| app == world.app_id.to_string());
    let fits = |check: &&FakeCheck| {
        app && check.head_sha == sha
            && call.asked("check_name").is_none_or(|name| name == check.name)
            && call.asked("status").is_none_or(|status| status == check.status)
    };
    let mut seen = std::collections::BTreeSet::new();
    let all = call.asked("filter") == Some("all");
    let latest = |check: &&FakeCheck| all || seen.insert(check.name.clone());
    let found = repository.checks.values().rev().filter(fits).filter(latest);
    let found = found.map(|check| shape(world, repository, check)).collect();
    Answer::page(call, &world.base_url, found, |shown, total| json!({ "total_count": total, "check_runs": shown }))
}

/// What GitHub refuses.
fn refuse(call: &Call) -> Option<Answer> {
    let invalid = |field, message| Some(Answer::invalid("CheckRun", field, message));
    let body = &call.body;
    if call.text("status").is_some_and(|status| !STATES.contains(&status.as_str())) {
        return invalid("status", "status is not a known one");
    }
    if call.text("conclusion").is_some_and(|conclusion| !CONCLUSIONS.contains(&conclusion.as_str())) {
        return invalid("conclusion", "conclusion is not a known one");
    }
    if call.text("status").as_deref() == Some("completed") && call.text("conclusion").is_none() {
        return invalid("conclusion", "a completed check run needs a conclusion");
    }
    let output = &body["output"];
    if !output.is_null() && (output["summary"].as_str().is_none() || output["title"].as_str().is_none()) {
        return invalid("output", "output needs a title and a summary");
    }
    let long = |field: &str| output[field].as_str().is_some_and(|text| text.chars().count() > LONGEST);
    if long("summary") || long("text") {
        return invalid("output", "summary and text have at most 65535 characters");
    }
    if output["annotations"].as_array().is_some_and(|annotations| annotations.len() > 50) {
        return invalid("output", "at most 50 annotations at a time");
    }
    if body["actions"].as_array().is_some_and(|actions| actions.len() > 3 || actions.iter().any(is_too_long)) {
        return invalid("actions", "at most 3 actions of short texts");
    }
    None
}

fn is_too_long(action: &Value) -> bool {
    [("label", 20), ("description", 40), ("identifier", 20)]
        .into_iter()
        .any(|(field, most)| action[field].as_str().is_none_or(|text| text.chars().count() > most))
}

fn create(world: &mut World, id: u64, call: &Call) -> Answer {
    let (Some(name), Some(head_sha)) = (call.text("name"), call.text("head_sha")) else {
        return Answer::problem(422, "Invalid request.\n\n\"name\", \"head_sha\" weren't supplied.");
    };
    if let Some(answer) = refuse(call) {
        return answer;
    }
    let now = world.now();
    let mut check = FakeCheck {
        id: world.next_id(),
        name,
        head_sha,
        external_id: String::new(),
        status: "queued".to_owned(),
        conclusion: None,
        details_url: None,
        output: Value::Null,
        actions: json!([]),
        started_at: Some(now.clone()),
        completed_at: None,
        history: Vec::new(),
    };
    apply(&mut check, call, &now);
    let answer = Answer::created(&shape(world, &world.repositories[&id], &check));
    if let Some(repository) = world.repositories.get_mut(&id) {
        repository.checks.insert(check.id, check);
    }
    answer
}

fn update(world: &mut World, id: u64, call: &Call, check: &str) -> Answer {
    if let Some(answer) = refuse(call) {
        return answer;
    }
    let now = world.now();
    let found = check.parse().ok().and_then(|check: u64| world.repositories.get_mut(&id)?.checks.get_mut(&check));
    let Some(check) = found else { return Answer::missing() };
    apply(check, call, &now);
    let check = check.clone();
    Answer::ok(&shape(world, &world.repositories[&id], &check))
}

/// Annotations add up, as on GitHub.
fn with_annotations_of(before: &Value, mut output: Value) -> Value {
    let of = |output: &Value| output["annotations"].as_array().cloned().unwrap_or_default();
    let all = [of(before), of(&output)].concat();
    if !all.is_empty() {
        output["annotations"] = json!(all);
    }
    output
}

fn apply(check: &mut FakeCheck, call: &Call, now: &str) {
    let set = |field: &mut String, name: &str| {
        if let Some(text) = call.text(name) {
            *field = text;
        }
    };
    set(&mut check.name, "name");
    set(&mut check.external_id, "external_id");
    set(&mut check.status, "status");
    if let Some(url) = call.text("details_url") {
        check.details_url = Some(url);
    }
    if let Some(output) = call.body.get("output") {
        check.output = with_annotations_of(&check.output, output.clone());
    }
    if let Some(actions) = call.body.get("actions") {
        check.actions = actions.clone();
    }
    if let Some(conclusion) = call.text("conclusion") {
        check.conclusion = Some(conclusion);
        "completed".clone_into(&mut check.status);
    } else if check.status != "completed" {
        check.conclusion = None;
    }
    check.completed_at = (check.status == "completed").then(|| now.to_owned());
    let state = check.conclusion.clone().unwrap_or_else(|| check.status.clone());
    if check.history.last() != Some(&state) {
        check.history.push(state);
    }
}
