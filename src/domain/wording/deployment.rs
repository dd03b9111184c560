//! The forge's own deployment (`ux.md` §4).

use crate::domain::environment::Environment;
use crate::domain::job::Work;
use crate::domain::ports::{DeploymentState, NewDeployment};
use crate::domain::report::{Shown, Snapshot};

use super::escape::{cut, printable};
use super::shown::shown;
use super::time::duration;

/// GitHub's limit of a description, in characters.
const MAX_DESCRIPTION: usize = 140;

/// What the forge calls the environment: `preview/pr-42`.
#[must_use]
pub fn deployment_environment(environment: &Environment) -> String {
    format!("preview/{}", environment.name)
}

/// The deployment of what is running or being deployed, its state and its URL; `None` while there is none to show.
#[must_use]
pub fn deployment(snapshot: &Snapshot) -> Option<(NewDeployment, DeploymentState, Option<String>)> {
    let environment = &snapshot.environment;
    let sha = environment.desired.commit()?;
    let serves = environment.published.as_ref() == Some(sha);
    // A reset is no deploy: what is up stays up while its data changes.
    let resets = snapshot.active_job().is_some_and(|job| matches!(job.work, Work::Reset { .. }));
    let (state, description) = match shown(snapshot) {
        Shown::Queued(..) | Shown::Deploying(..) if resets && serves => {
            (DeploymentState::Success, ready(environment))
        }
        Shown::Ready => (DeploymentState::Success, ready(environment)),
        Shown::Deploying(..) => (DeploymentState::InProgress, "Deploying".to_owned()),
        Shown::Failed => (DeploymentState::Failure, failed(environment)),
        _ => return None,
    };
    let description: String = printable(&description).collect();
    let deployment = NewDeployment {
        sha: sha.clone(),
        environment: deployment_environment(environment),
        description: cut(&description, MAX_DESCRIPTION - 1),
        marker: format!("previewbot:{}:{}:{sha}", environment.name, environment.generation),
    };
    Some((deployment, state, environment.urls.first().map(|(_, url)| url.clone())))
}

fn ready(environment: &Environment) -> String {
    environment.deploy_ms.map_or_else(|| "Ready".to_owned(), |ms| format!("Ready in {}", duration(ms)))
}

fn failed(environment: &Environment) -> String {
    match &environment.failure {
        None => "Failed".to_owned(),
        Some(failure) if failure.is_cancelled() => "Cancelled".to_owned(),
        Some(failure) => format!("Failed at {}", failure.step),
    }
}
