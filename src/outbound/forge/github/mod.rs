//! GitHub behind the `Forge` port: an App that signs a JWT, exchanges it for installation tokens and calls the
//! REST API. One file per concern; every request leaves through `api.rs`.

mod api;
mod auth;
mod changes;
mod checks;
mod comments;
mod deployments;
mod errors;
mod rights;
mod text;
mod transport;

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use self::api::Api;
use self::rights::Rights;
use crate::domain::change::{Change, ChangeNumber, ChangedFiles, ForgeKind, Permission, Repository, Sha};
use crate::domain::error::PortResult;
use crate::domain::job::Reaction;
use crate::domain::ports::{Check, Clock, Comment, Deployment, DeploymentState, Forge, NewCheck, NewDeployment};

/// What the adapter must know to act as a GitHub App.
#[derive(Debug, Clone)]
pub struct GithubApp {
    /// The App's id, as its settings page shows it.
    pub app_id: u64,
    /// The App's RSA private key in PEM form.
    pub private_key: SecretString,
    /// Root of the REST API: `https://api.github.com`, or `https://<host>/api/v3` of an Enterprise Server.
    pub api_url: String,
}

/// GitHub as a forge.
pub struct GithubForge {
    api: Api,
    rights: Rights,
}

impl GithubForge {
    /// Prepares the adapter; nothing is sent yet. Must be called on a tokio runtime, since the client has a task.
    ///
    /// # Errors
    /// `Invalid` when the key is no RSA key in PEM form or the URL is no `http(s)` URL.
    pub fn new(app: &GithubApp, clock: Arc<dyn Clock>) -> PortResult<Self> {
        Ok(Self { api: Api::new(app, Arc::clone(&clock))?, rights: Rights::new(clock) })
    }
}

#[async_trait]
impl Forge for GithubForge {
    fn kind(&self) -> ForgeKind {
        ForgeKind::Github
    }

    async fn bot_name(&self) -> PortResult<String> {
        self.api.slug().await
    }

    async fn change(&self, repository: &Repository, number: ChangeNumber) -> PortResult<Option<Change>> {
        changes::change(&self.api, repository, number).await
    }

    async fn changed_files(&self, repository: &Repository, number: ChangeNumber) -> PortResult<ChangedFiles> {
        changes::files(&self.api, repository, number).await
    }

    async fn changes_with_head(&self, repository: &Repository, sha: &Sha) -> PortResult<Vec<ChangeNumber>> {
        changes::changes_with_head(&self.api, repository, sha).await
    }

    async fn permission(&self, repository: &Repository, login: &str) -> PortResult<Permission> {
        self.rights.permission(&self.api, repository, login).await
    }

    async fn file(&self, repository: &Repository, path: &str, sha: &Sha) -> PortResult<Option<Vec<u8>>> {
        changes::file(&self.api, repository, path, sha).await
    }

    async fn git_token(&self, repository: &Repository) -> PortResult<Option<SecretString>> {
        self.api.git_token(repository).await.map(Some)
    }

    fn forget_git_token(&self, repository: &Repository) {
        self.api.credentials.forget_git_token(repository);
    }

    async fn comment(&self, repository: &Repository, id: u64) -> PortResult<Option<Comment>> {
        comments::comment(&self.api, repository, id).await
    }

    async fn find_comment(
        &self,
        repository: &Repository,
        number: ChangeNumber,
        marker: &str,
    ) -> PortResult<Option<Comment>> {
        comments::find(&self.api, repository, number, marker).await
    }

    async fn create_comment(&self, repository: &Repository, number: ChangeNumber, body: &str) -> PortResult<u64> {
        comments::create(&self.api, repository, number, body).await
    }

    async fn update_comment(
        &self,
        repository: &Repository,
        _number: ChangeNumber,
        id: u64,
        body: &str,
    ) -> PortResult<()> {
        comments::update(&self.api, repository, id, body).await
    }

    async fn react(
        &self,
        repository: &Repository,
        _number: ChangeNumber,
        comment: u64,
        reaction: Reaction,
    ) -> PortResult<()> {
        comments::react(&self.api, repository, comment, reaction).await
    }

    async fn find_check(
        &self,
        repository: &Repository,
        sha: &Sha,
        name: &str,
        external_id: &str,
    ) -> PortResult<Option<Check>> {
        checks::find(&self.api, repository, sha, &checks::Wanted { name, external_id }).await
    }

    async fn create_check(&self, repository: &Repository, check: &NewCheck) -> PortResult<u64> {
        checks::create(&self.api, repository, check).await
    }

    async fn update_check(&self, repository: &Repository, id: u64, check: &NewCheck) -> PortResult<()> {
        checks::update(&self.api, repository, id, check).await
    }

    async fn deployments(&self, repository: &Repository, environment: &str) -> PortResult<Vec<Deployment>> {
        deployments::list(&self.api, repository, environment).await
    }

    async fn create_deployment(&self, repository: &Repository, deployment: &NewDeployment) -> PortResult<u64> {
        deployments::create(&self.api, repository, deployment).await
    }

    async fn set_deployment(
        &self,
        repository: &Repository,
        id: u64,
        state: DeploymentState,
        url: Option<&str>,
        log_url: Option<&str>,
        description: &str,
    ) -> PortResult<()> {
        let status = deployments::Status { state, url, log_url, description };
        deployments::set(&self.api, repository, id, &status).await
    }

    async fn delete_deployment(&self, repository: &Repository, id: u64) -> PortResult<()> {
        deployments::delete(&self.api, repository, id).await
    }

    async fn delete_environment(&self, repository: &Repository, environment: &str) -> PortResult<()> {
        deployments::delete_environment(&self.api, repository, environment).await
    }
}
