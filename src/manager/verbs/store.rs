//! `store_set`, `store_get`, `store_list`: the environment's own values, `{{store.KEY}}` and `PREVIEWCTL_STORE_KEY`.

use std::collections::BTreeMap;

use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Sets values. What was made from the old ones is made anew by the next deploy.
    ///
    /// # Errors
    /// `BadStoreKey`, before any is set; `UnknownEnvironment`.
    pub async fn store_set(
        &self,
        environment: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<(), ManagerError> {
        if let Some(bad) = values.keys().find(|key| !is_key(key)) {
            return Err(ManagerError::BadStoreKey(bad.clone()));
        }
        let context = self.context(environment, Some(self.existing(environment).await?));
        Ok(context.update(|entry| entry.env.extend(values.clone())).await?)
    }

    /// One value.
    ///
    /// # Errors
    /// `UnknownEnvironment`, `UnknownStoreKey`.
    pub async fn store_get(&self, environment: &str, key: &str) -> Result<String, ManagerError> {
        let store = self.store_list(environment).await?;
        store.get(key).cloned().ok_or_else(|| ManagerError::UnknownStoreKey {
            environment: environment.to_owned(),
            key: key.to_owned(),
            known: store.into_keys().collect(),
        })
    }

    /// All values by key.
    ///
    /// # Errors
    /// `UnknownEnvironment`.
    pub async fn store_list(&self, environment: &str) -> Result<BTreeMap<String, String>, ManagerError> {
        Ok(self.existing(environment).await?.env)
    }
}

/// Whether placeholders and variables can name it: a dot would end it in a placeholder.
fn is_key(key: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && key.bytes().all(legal)
}
