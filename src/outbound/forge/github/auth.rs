//! Who we are: the App's key, one client per installation (octocrab keeps its token and renews it 30 s before it
//! expires, and once after a 401), which installation a repository belongs to, and tokens for git.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::EncodingKey;
use octocrab::auth::AppAuth;
use octocrab::models::{AppId, InstallationId};
use octocrab::{AuthState, Octocrab};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::GithubApp;
use super::api::{Api, Request};
use super::errors::optional;
use super::transport;
use crate::domain::change::{Repository, RepositoryId};
use crate::domain::error::{ErrorKind, PortError, PortResult};

/// A git token is replaced when less than this is left of it, so that a long fetch does not outlive it.
const GIT_TOKEN_RESERVE_MS: i64 = 5 * 60 * 1000;

/// The App's identity and everything that is derived from it.
pub(super) struct Credentials {
    pub(super) app_id: u64,
    app: Octocrab,
    slug: OnceCell<String>,
    installations: Mutex<Installations>,
    git_tokens: Mutex<HashMap<RepositoryId, GitToken>>,
}

#[derive(Default)]
struct Installations {
    /// Shared, since a clone of the client would have a token of its own.
    clients: HashMap<u64, Arc<Octocrab>>,
    of_repository: HashMap<RepositoryId, u64>,
    /// Installations that were removed; a repository that still names one is looked up.
    gone: HashSet<u64>,
}

#[derive(Clone)]
struct GitToken {
    secret: SecretString,
    expires_at_ms: i64,
}

#[derive(Deserialize)]
struct AppAnswer {
    slug: String,
}

#[derive(Deserialize)]
struct InstallationAnswer {
    id: u64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: SecretString,
    expires_at: jiff::Timestamp,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Credentials {
    pub(super) fn new(app: &GithubApp) -> PortResult<Self> {
        // The decoder's own error is dropped: it could quote the key.
        let key = EncodingKey::from_rsa_pem(app.private_key.expose_secret().as_bytes()).map_err(|_| {
            PortError::new(ErrorKind::Invalid, "github.private_key_file holds no RSA private key in PEM form")
        })?;
        let auth = AuthState::App(AppAuth { app_id: AppId(app.app_id), key });
        Ok(Self {
            app_id: app.app_id,
            app: transport::client(&app.api_url, auth)?,
            slug: OnceCell::new(),
            installations: Mutex::default(),
            git_tokens: Mutex::default(),
        })
    }

    /// The client that signs as the App.
    pub(super) const fn app(&self) -> &Octocrab {
        &self.app
    }

    /// The client of an installation; always the same one, since it holds the token.
    pub(super) fn client(&self, installation: u64) -> PortResult<Arc<Octocrab>> {
        let mut known = locked(&self.installations);
        if let Some(client) = known.clients.get(&installation) {
            return Ok(Arc::clone(client));
        }
        let client = self.app.installation(InstallationId(installation)).map_err(|error| {
            PortError::with_source(ErrorKind::Invalid, "no client could be made for the installation", error)
        })?;
        let client = Arc::new(client);
        known.clients.insert(installation, Arc::clone(&client));
        Ok(client)
    }

    /// Forgets an installation that GitHub no longer knows.
    pub(super) fn forget(&self, installation: u64) {
        let mut known = locked(&self.installations);
        known.clients.remove(&installation);
        known.of_repository.retain(|_, id| *id != installation);
        known.gone.insert(installation);
    }

    /// Forgets the token for git of a repository.
    pub(super) fn forget_git_token(&self, repository: &Repository) {
        locked(&self.git_tokens).remove(&repository.id);
    }

    fn known_installation(&self, repository: &Repository) -> Option<u64> {
        let known = locked(&self.installations);
        let named = repository.installation.filter(|id| !known.gone.contains(id));
        named.or_else(|| known.of_repository.get(&repository.id).copied())
    }
}

impl Api {
    /// The installation that may act on a repository: the one the delivery named, else looked up.
    pub(super) async fn installation(&self, repository: &Repository) -> PortResult<u64> {
        if let Some(id) = self.credentials.known_installation(repository) {
            return Ok(id);
        }
        let path = format!("{}/installation", Self::repository_path(repository)?);
        let found: Option<InstallationAnswer> = optional(self.read_as_app(Request::get(path)).await)?;
        let Some(InstallationAnswer { id }) = found else {
            let message = format!("the GitHub App is not installed on {}: install it there", repository.name);
            return Err(PortError::new(ErrorKind::NotFound, message));
        };
        let mut known = locked(&self.credentials.installations);
        known.gone.remove(&id);
        known.of_repository.insert(repository.id, id);
        Ok(id)
    }

    /// The App's name in URLs and mentions; asked once.
    pub(super) async fn slug(&self) -> PortResult<String> {
        let ask = || async { self.read_as_app::<AppAnswer>(Request::get("/app".to_owned())).await };
        let slug = self.credentials.slug.get_or_try_init(|| async { ask().await.map(|app| app.slug) }).await?;
        Ok(slug.clone())
    }

    /// A token that may read this one repository and nothing else, since git and what it runs get to see it.
    pub(super) async fn git_token(&self, repository: &Repository) -> PortResult<SecretString> {
        let cached = locked(&self.credentials.git_tokens).get(&repository.id).cloned();
        if let Some(token) = cached
            && token.expires_at_ms - self.clock.now_ms() > GIT_TOKEN_RESERVE_MS
        {
            return Ok(token.secret);
        }
        let installation = self.installation(repository).await?;
        let body = json!({ "repository_ids": [repository.id.0], "permissions": { "contents": "read" } });
        let request = Request::post(format!("/app/installations/{installation}/access_tokens"), body);
        let answer: TokenAnswer = match self.read_as_app(request).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.credentials.forget(installation);
                let message = "the App's installation is gone; it is looked up again";
                return Err(PortError::new(ErrorKind::Unavailable, message));
            }
            other => other?,
        };
        let expires_at_ms = answer.expires_at.as_millisecond();
        let token = GitToken { secret: answer.token.clone(), expires_at_ms };
        locked(&self.credentials.git_tokens).insert(repository.id, token);
        Ok(answer.token)
    }
}
