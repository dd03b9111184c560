//! The forge's deployments: one per deploy; older ones inactive, and all gone with the environment.

use crate::domain::error::{ErrorKind, PortResult};
use crate::domain::ports::{DeploymentState, NewDeployment, Posted, PostedKind};
use crate::domain::report::Shown;
use crate::domain::wording;

use super::visit::{Visit, hash, unless_missing};

const KIND: PostedKind = PostedKind::Deployment;

impl Visit<'_> {
    pub(super) async fn show_deployments(&mut self, public_url: &str) -> PortResult<()> {
        if is_gone(&wording::shown(self.snapshot)) {
            return self.remove_deployments().await;
        }
        let Some((deployment, state, url)) = wording::deployment(self.snapshot) else { return Ok(()) };
        let key = format!("{}:{}", self.environment().generation, deployment.sha);
        self.show_deployment(&key, &deployment, (state, url.as_deref()), public_url).await?;
        for older in self.others(KIND, Some(&key)) {
            // What still answers stays active until the new one does.
            let serves = older.state == DeploymentState::Success.as_str() && state != DeploymentState::Success;
            if !serves {
                self.deactivate(&older).await?;
            }
        }
        Ok(())
    }

    async fn show_deployment(
        &mut self,
        key: &str,
        deployment: &NewDeployment,
        (state, url): (DeploymentState, Option<&str>),
        log_url: &str,
    ) -> PortResult<()> {
        let hash = hash(&format!("{} {url:?} {}", state.as_str(), deployment.description));
        let before = self.posted(KIND, key).cloned();
        if before.as_ref().is_some_and(|before| before.forge_id.is_some() && before.hash == hash) {
            return Ok(());
        }
        let known = match &before {
            Some(Posted { forge_id: Some(id), .. }) => Some(*id),
            Some(_) => self.find_deployment(&deployment.marker).await?,
            None => None,
        };
        let id = match known {
            Some(id) => id,
            None => self.create_deployment(key, deployment).await?,
        };
        self.writes().await?;
        let log_url = Some(log_url).filter(|url| !url.is_empty());
        let set =
            self.forge.set_deployment(self.repository(), id, state, url, log_url, &deployment.description).await;
        if unless_missing(set)?.is_none() {
            // Somebody deleted it; the next look makes another.
            return self.forget(KIND, key).await;
        }
        self.save(posted(key, Some(id), hash, state.as_str())).await
    }

    async fn create_deployment(&mut self, key: &str, deployment: &NewDeployment) -> PortResult<u64> {
        self.intend(KIND, key).await?;
        self.writes().await?;
        let id = self.forge.create_deployment(self.repository(), deployment).await?;
        self.save(posted(key, Some(id), String::new(), "")).await?;
        Ok(id)
    }

    async fn find_deployment(&self, marker: &str) -> PortResult<Option<u64>> {
        let environment = wording::deployment_environment(self.environment());
        let known = self.forge.deployments(self.repository(), &environment).await?;
        Ok(known.into_iter().find(|known| known.marker == marker).map(|known| known.id))
    }

    /// The forge's id of something that was posted, asked for when its creation has no known outcome.
    async fn id_of(&self, posted: &Posted) -> PortResult<Option<u64>> {
        if posted.forge_id.is_some() {
            return Ok(posted.forge_id);
        }
        self.find_deployment(&format!("previewbot:{}:{}", self.environment().name, posted.key)).await
    }

    async fn deactivate(&mut self, older: &Posted) -> PortResult<()> {
        if older.state == DeploymentState::Inactive.as_str() {
            return Ok(());
        }
        let Some(id) = self.id_of(older).await? else { return self.forget(KIND, &older.key).await };
        self.writes().await?;
        let state = DeploymentState::Inactive;
        let set = self.forge.set_deployment(self.repository(), id, state, None, None, "No longer deployed").await;
        if unless_missing(set)?.is_none() {
            return self.forget(KIND, &older.key).await;
        }
        self.save(posted(&older.key, Some(id), String::new(), state.as_str())).await
    }

    /// Everything inactive, then deleted, then the forge's own environment; forgotten last, so that a crash in
    /// between leaves nothing behind.
    async fn remove_deployments(&mut self) -> PortResult<()> {
        let all = self.others(KIND, None);
        if all.is_empty() {
            return Ok(());
        }
        for deployment in &all {
            self.deactivate(deployment).await?;
        }
        for deployment in self.others(KIND, None) {
            if let Some(id) = deployment.forge_id {
                tolerated(self.forge.delete_deployment(self.repository(), id).await)?;
            }
        }
        let environment = wording::deployment_environment(self.environment());
        tolerated(self.forge.delete_environment(self.repository(), &environment).await)?;
        for deployment in self.others(KIND, None) {
            self.forget(KIND, &deployment.key).await?;
        }
        Ok(())
    }
}

fn posted(key: &str, forge_id: Option<u64>, hash: String, state: &str) -> Posted {
    Posted { kind: KIND, key: key.to_owned(), forge_id, hash, state: state.to_owned() }
}

const fn is_gone(shown: &Shown) -> bool {
    matches!(shown, Shown::Destroyed | Shown::Expired | Shown::Skipped | Shown::WaitingForApproval)
}

/// "May not" and "is not there" are no errors of a removal (`ux.md` §4).
fn tolerated(result: PortResult<()>) -> PortResult<()> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => Ok(()),
        result => result,
    }
}
