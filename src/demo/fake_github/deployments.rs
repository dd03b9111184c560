//! Deployments, their statuses, and environments.

use serde_json::{Value, json};

use super::answer::{Answer, Call};
use super::shapes;
use super::state::{FakeRepository, World};

/// A status of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeDeploymentStatus {
    /// GitHub's id.
    pub id: u64,
    /// `in_progress`, `success`, `failure`, `error`, `inactive`, …
    pub state: String,
    /// At most 140 characters.
    pub description: String,
    /// Where it runs.
    pub environment_url: String,
    /// Where its log is.
    pub log_url: String,
    /// When it was set.
    pub created_at: String,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeDeployment {
    /// GitHub's id.
    pub id: u64,
    /// What was asked to be deployed.
    pub reference: String,
    /// The commit.
    pub sha: String,
    /// `deploy:preview`.
    pub task: String,
    /// `preview/pr-42`.
    pub environment: String,
    /// At most 140 characters.
    pub description: String,
    /// The App's own data.
    pub payload: Value,
    /// Whether the environment will be gone some day.
    pub transient: bool,
    /// Whether it is what end users see.
    pub production: bool,
    /// When it was made.
    pub created_at: String,
    /// Its statuses, oldest first.
    pub statuses: Vec<FakeDeploymentStatus>,
}

impl FakeDeployment {
    /// Its newest state; `pending` when none was set.
    #[must_use]
    pub fn state(&self) -> &str {
        self.statuses.last().map_or("pending", |status| &status.state)
    }

    /// The newest address that was set.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.statuses.iter().rev().map(|status| status.environment_url.as_str()).find(|url| !url.is_empty())
    }
}

const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
const LONGEST_DESCRIPTION: usize = 140;

fn shape(world: &World, repository: &FakeRepository, deployment: &FakeDeployment) -> Value {
    let api = shapes::repository_url(&world.base_url, &repository.spec.name);
    let url = format!("{api}/deployments/{}", deployment.id);
    json!({
        "id": deployment.id,
        "node_id": format!("DE_{}", deployment.id),
        "url": url,
        "sha": deployment.sha,
        "ref": deployment.reference,
        "task": deployment.task,
        "payload": deployment.payload,
        "original_environment": deployment.environment,
        "environment": deployment.environment,
        "description": deployment.description,
        "creator": shapes::account(&world.base_url, &world.bot_login()),
        "created_at": deployment.created_at,
        "updated_at": deployment.statuses.last().map_or(&deployment.created_at, |status| &status.created_at),
        "statuses_url": format!("{url}/statuses"),
        "repository_url": api,
        "transient_environment": deployment.transient,
        "production_environment": deployment.production,
    })
}

fn status_shape(
    world: &World,
    repository: &FakeRepository,
    deployment: &FakeDeployment,
    status: &FakeDeploymentStatus,
) -> Value {
    let api = shapes::repository_url(&world.base_url, &repository.spec.name);
    let url = format!("{api}/deployments/{}", deployment.id);
    json!({
        "id": status.id,
        "node_id": format!("DES_{}", status.id),
        "url": format!("{url}/statuses/{}", status.id),
        "state": status.state,
        "creator": shapes::account(&world.base_url, &world.bot_login()),
        "description": status.description,
        "environment": deployment.environment,
        "target_url": status.log_url,
        "created_at": status.created_at,
        "updated_at": status.created_at,
        "deployment_url": url,
        "repository_url": api,
        "environment_url": status.environment_url,
        "log_url": status.log_url,
    })
}

/// Everything below `/repos/{o}/{r}/deployments`.
pub(super) fn route(world: &mut World, id: u64, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(world, id, call),
        ("GET", []) => list(world, &world.repositories[&id], call),
        ("GET", [deployment]) => {
            with(world, id, deployment, |world, repository, found| Answer::ok(&shape(world, repository, found)))
        }
        ("DELETE", [deployment]) => delete(world, id, deployment),
        ("POST", [deployment, "statuses"]) => set_status(world, id, call, deployment),
        ("GET", [deployment, "statuses"]) => with(world, id, deployment, |world, repository, found| {
            let statuses = found.statuses.iter().rev();
            let shown = statuses.map(|status| status_shape(world, repository, found, status));
            Answer::list(call, &world.base_url, shown.collect())
        }),
        _ => Answer::unexpected(),
    }
}

fn with(
    world: &World,
    id: u64,
    deployment: &str,
    show: impl Fn(&World, &FakeRepository, &FakeDeployment) -> Answer,
) -> Answer {
    let repository = &world.repositories[&id];
    let found = deployment.parse().ok().and_then(|deployment: u64| repository.deployments.get(&deployment));
    found.map_or_else(Answer::missing, |found| show(world, repository, found))
}

fn list(world: &World, repository: &FakeRepository, call: &Call) -> Answer {
    let fits = |deployment: &&FakeDeployment| {
        let is =
            |name: &str, value: &str| call.asked(name).is_none_or(|wanted| wanted == value || wanted == "none");
        is("environment", &deployment.environment)
            && is("sha", &deployment.sha)
            && is("ref", &deployment.reference)
            && is("task", &deployment.task)
    };
    let found = repository.deployments.values().rev().filter(fits).map(|found| shape(world, repository, found));
    Answer::list(call, &world.base_url, found.collect())
}

fn too_long(call: &Call) -> bool {
    call.text("description").is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION)
}

fn create(world: &mut World, id: u64, call: &Call) -> Answer {
    let Some(reference) = call.text("ref") else {
        return Answer::problem(422, "Invalid request.\n\n\"ref\" wasn't supplied.");
    };
    if too_long(call) {
        return Answer::invalid("Deployment", "description", "description has at most 140 characters");
    }
    let contexts = call.body.get("required_contexts").and_then(Value::as_array);
    if contexts.is_none_or(|contexts| !contexts.is_empty()) {
        return Answer::problem(409, "Conflict: Commit status checks failed for the ref");
    }
    let sha = match world.repositories[&id].resolve(&reference) {
        Ok(sha) if !sha.starts_with("0000000") => sha,
        _ => reference.clone(),
    };
    let deployment = FakeDeployment {
        id: world.next_id(),
        sha,
        reference,
        task: call.text("task").unwrap_or_else(|| "deploy".to_owned()),
        environment: call.text("environment").unwrap_or_else(|| "production".to_owned()),
        description: call.text("description").unwrap_or_default(),
        payload: call.body.get("payload").cloned().unwrap_or_else(|| json!({})),
        transient: call.flag("transient_environment", false),
        production: call.flag("production_environment", false),
        created_at: world.now(),
        statuses: Vec::new(),
    };
    let answer = Answer::created(&shape(world, &world.repositories[&id], &deployment));
    if let Some(repository) = world.repositories.get_mut(&id) {
        repository.environments.insert(deployment.environment.clone());
        repository.deployments.insert(deployment.id, deployment);
    }
    answer
}

/// GitHub deletes an active deployment only when it is the repository's only one.
fn delete(world: &mut World, id: u64, deployment: &str) -> Answer {
    let Some(repository) = world.repositories.get_mut(&id) else { return Answer::missing() };
    let Ok(deployment) = deployment.parse::<u64>() else { return Answer::missing() };
    let alone = repository.deployments.len() == 1;
    match repository.deployments.get(&deployment) {
        None => Answer::missing(),
        Some(found) if found.state() != "inactive" && !alone => Answer::problem(
            422,
            "We cannot delete an active deployment unless it is the only deployment in a given environment.",
        ),
        Some(_) => {
            repository.deployments.remove(&deployment);
            Answer::none()
        }
    }
}

fn set_status(world: &mut World, id: u64, call: &Call, deployment: &str) -> Answer {
    let state = call.text("state").unwrap_or_default();
    if !STATES.contains(&state.as_str()) {
        return Answer::invalid("DeploymentStatus", "state", "state is not a known one");
    }
    if too_long(call) {
        return Answer::invalid("DeploymentStatus", "description", "description has at most 140 characters");
    }
    let status = FakeDeploymentStatus {
        id: world.next_id(),
        state,
        description: call.text("description").unwrap_or_default(),
        environment_url: call.text("environment_url").unwrap_or_default(),
        log_url: call.text("log_url").or_else(|| call.text("target_url")).unwrap_or_default(),
        created_at: world.now(),
    };
    let Some(repository) = world.repositories.get_mut(&id) else { return Answer::missing() };
    let found = deployment.parse().ok().and_then(|deployment: u64| repository.deployments.get_mut(&deployment));
    let Some(found) = found else { return Answer::missing() };
    found.statuses.push(status.clone());
    let found = found.clone();
    if status.state == "success" && call.flag("auto_inactive", true) {
        retire_others(repository, &found, &status);
    }
    Answer::created(&status_shape(world, &world.repositories[&id], &found, &status))
}

/// `auto_inactive`: earlier deployments to the same environment, unless transient or production, become inactive.
fn retire_others(repository: &mut FakeRepository, newest: &FakeDeployment, status: &FakeDeploymentStatus) {
    let earlier = repository.deployments.values_mut().filter(|other| other.id < newest.id);
    for other in
        earlier.filter(|other| other.environment == newest.environment && !other.transient && !other.production)
    {
        other.statuses.push(FakeDeploymentStatus { state: "inactive".to_owned(), ..status.clone() });
    }
}

/// `DELETE /repos/{o}/{r}/environments/{name}`.
pub(super) fn delete_environment(world: &mut World, id: u64, name: &str) -> Answer {
    if !world.administration {
        return Answer::problem(403, "Resource not accessible by integration");
    }
    let removed = world.repositories.get_mut(&id).is_some_and(|repository| repository.environments.remove(name));
    if removed { Answer::none() } else { Answer::missing() }
}
