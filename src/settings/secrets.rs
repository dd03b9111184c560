//! Where secrets come from. The values themselves live in types that do not print.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::SettingsError;

/// Where one secret is found: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretSource {
    /// A variable of the bot's environment.
    Environment(String),
    /// A file; one trailing line break is not part of the secret.
    File(PathBuf),
}

impl TryFrom<String> for SecretSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            // The text may be the secret itself, so it is not repeated.
            _ => Err("a secret is given as `env:NAME` or `file:PATH`, never as its value".to_owned()),
        }
    }
}

impl SecretSource {
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&*path);
        }
    }

    /// Reads the secret; `key` is what the operator wrote it under.
    ///
    /// # Errors
    /// [`SettingsError::Secret`] when it is missing or empty.
    pub fn read(&self, key: &str) -> Result<SecretString, SettingsError> {
        let refused = |message: String| SettingsError::Secret { key: key.to_owned(), message };
        let text = match self {
            Self::Environment(name) => std::env::var(name)
                .map_err(|_| refused(format!("environment variable {name} is not set (or not text)")))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| refused(format!("{} cannot be read: {error}", path.display())))?,
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(refused("the secret is empty".to_owned()));
        }
        Ok(SecretString::from(text.to_owned()))
    }
}
