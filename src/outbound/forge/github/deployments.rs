//! Deployments, their statuses, and GitHub's environments.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api::{Api, Request};
use super::errors::tolerated;
use super::text::{DESCRIPTION, cut, encode};
use crate::domain::change::Repository;
use crate::domain::error::PortResult;
use crate::domain::ports::{Deployment, DeploymentState, NewDeployment};

/// The key in a deployment's payload under which our own id of it stands.
const MARKER: &str = "previewbot";

/// Where a deployment is and what to show with it.
pub(super) struct Status<'a> {
    /// Where it is.
    pub(super) state: DeploymentState,
    /// The preview.
    pub(super) url: Option<&'a str>,
    /// Page with more.
    pub(super) log_url: Option<&'a str>,
    /// One line.
    pub(super) description: &'a str,
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    payload: Value,
}

impl Listed {
    /// Our own id of it. GitHub gives the payload back as an object, or as the text that somebody sent.
    fn marker(&self) -> String {
        let parsed = match &self.payload {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            other => other.clone(),
        };
        parsed.get(MARKER).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// Deployments to an environment, newest first.
pub(super) async fn list(api: &Api, repository: &Repository, environment: &str) -> PortResult<Vec<Deployment>> {
    let root = Api::repository_path(repository)?;
    let path = format!("{root}/deployments?environment={}", encode(environment));
    let mut listed = api.all_pages(repository, &path, |page: Vec<Listed>| page).await?;
    listed.sort_unstable_by_key(|deployment| std::cmp::Reverse(deployment.id));
    Ok(listed.iter().map(|found| Deployment { id: found.id, marker: found.marker() }).collect())
}

/// Makes a deployment; its id. It merges nothing and waits for no other check: previews are not releases.
pub(super) async fn create(api: &Api, repository: &Repository, wanted: &NewDeployment) -> PortResult<u64> {
    let body = json!({
        "ref": wanted.sha,
        "environment": wanted.environment,
        "description": cut(&wanted.description, DESCRIPTION),
        "payload": { MARKER: wanted.marker },
        "auto_merge": false,
        "required_contexts": [],
        "transient_environment": true,
        "production_environment": false,
    });
    let path = format!("{}/deployments", Api::repository_path(repository)?);
    let made: Listed = api.read(repository, Request::post(path, body)).await?;
    Ok(made.id)
}

/// Sets where a deployment is. Older ones are set by us too, so GitHub is not to do it.
pub(super) async fn set(api: &Api, repository: &Repository, id: u64, status: &Status<'_>) -> PortResult<()> {
    let mut body = Map::new();
    body.insert("state".to_owned(), json!(status.state.as_str()));
    body.insert("description".to_owned(), json!(cut(status.description, DESCRIPTION)));
    body.insert("auto_inactive".to_owned(), json!(false));
    if let Some(url) = status.url {
        body.insert("environment_url".to_owned(), json!(url));
    }
    if let Some(url) = status.log_url {
        body.insert("log_url".to_owned(), json!(url));
    }
    let path = format!("{}/deployments/{id}/statuses", Api::repository_path(repository)?);
    api.send(repository, Request::post(path, Value::Object(body))).await.map(drop)
}

/// Removes an inactive deployment.
pub(super) async fn delete(api: &Api, repository: &Repository, id: u64) -> PortResult<()> {
    let path = format!("{}/deployments/{id}", Api::repository_path(repository)?);
    tolerated(api.send(repository, Request::delete(path)).await.map(drop))
}

/// Removes GitHub's environment, which needs the `administration` right that most Apps do not have.
pub(super) async fn delete_environment(api: &Api, repository: &Repository, environment: &str) -> PortResult<()> {
    let path = format!("{}/environments/{}", Api::repository_path(repository)?, encode(environment));
    tolerated(api.send(repository, Request::delete(path)).await.map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_found_in_whatever_shape_the_payload_has() {
        let marker = |payload: Value| Listed { id: 1, payload }.marker();
        assert_eq!(marker(json!({ "previewbot": "m1" })), "m1");
        assert_eq!(marker(json!("{\"previewbot\":\"m1\"}")), "m1");
        for foreign in [json!(null), json!(""), json!("text"), json!([1]), json!({ "previewbot": 3 })] {
            assert_eq!(marker(foreign), "");
        }
    }
}
