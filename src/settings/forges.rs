//! `[github]` and `[gitlab]`.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{SecretSource, SettingsError};

/// `[github]`: one GitHub App.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Github {
    /// The App's id.
    pub app_id: u64,
    /// PEM text of the App's private key (environment variable preferred).
    pub private_key: Option<SecretString>,
    /// File with it.
    pub private_key_file: Option<PathBuf>,
    /// The webhook secret (environment variable preferred).
    pub webhook_secret: Option<SecretString>,
    /// File with it.
    pub webhook_secret_file: Option<PathBuf>,
    /// REST API base.
    #[serde(default = "github_api")]
    pub api_url: String,
    /// Clone base: `{git_url}/{owner}/{repo}.git`; `file://` works.
    #[serde(default = "github_git")]
    pub git_url: String,
}

fn github_api() -> String {
    "https://api.github.com".to_owned()
}

fn github_git() -> String {
    "https://github.com".to_owned()
}

/// The App's secrets, read.
#[derive(Debug, Clone)]
pub struct GithubCredentials {
    /// PEM text.
    pub private_key: SecretString,
    /// What webhooks are signed with; never empty.
    pub webhook_secret: SecretString,
}

impl Github {
    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.private_key_file, &mut self.webhook_secret_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        for url in [&mut self.api_url, &mut self.git_url] {
            while url.ends_with('/') {
                url.pop();
            }
        }
    }

    /// Reads the App's secrets.
    ///
    /// # Errors
    /// [`SettingsError::Secret`]: the bot does not start without both.
    pub fn credentials(&self) -> Result<GithubCredentials, SettingsError> {
        Ok(GithubCredentials {
            private_key: one_of("github.private_key", self.private_key.as_ref(), self.private_key_file.as_ref())?,
            webhook_secret: one_of(
                "github.webhook_secret",
                self.webhook_secret.as_ref(),
                self.webhook_secret_file.as_ref(),
            )?,
        })
    }
}

fn one_of(key: &str, value: Option<&SecretString>, file: Option<&PathBuf>) -> Result<SecretString, SettingsError> {
    let refused = |message: &str| SettingsError::Secret { key: key.to_owned(), message: message.to_owned() };
    match (value, file) {
        (Some(_), Some(_)) => Err(refused("is given both as a value and as a file; leave one out")),
        (Some(value), None) if value.expose_secret().trim().is_empty() => Err(refused("the secret is empty")),
        (Some(value), None) => Ok(value.clone()),
        (None, Some(path)) => SecretSource::File(path.clone()).read(&format!("{key}_file")),
        (None, None) => Err(refused("is not set; give it as a file or in the environment")),
    }
}

/// `[gitlab]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gitlab {
    /// Base URL, sub-path included.
    #[serde(default = "gitlab_url")]
    pub url: String,
    /// Access token.
    pub token: Option<SecretString>,
    /// File with it.
    pub token_file: Option<PathBuf>,
    /// `X-Gitlab-Token`.
    pub webhook_secret: Option<SecretString>,
    /// File with it.
    pub webhook_secret_file: Option<PathBuf>,
    /// Signing token of the newer signed form.
    pub webhook_signing_token: Option<SecretString>,
    /// File with it.
    pub webhook_signing_token_file: Option<PathBuf>,
    /// Clone base.
    #[serde(default = "gitlab_url")]
    pub git_url: String,
}

fn gitlab_url() -> String {
    "https://gitlab.com".to_owned()
}
