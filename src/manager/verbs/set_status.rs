//! `set_status`.

use crate::domain::entry::Status;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Stores a status; the Manager's caller says `error` with it when a verb failed.
    ///
    /// # Errors
    /// `UnknownEnvironment`.
    pub async fn set_status(&self, environment: &str, status: Status) -> Result<(), ManagerError> {
        let entry = self.existing(environment).await?;
        let context = self.context(environment, Some(entry));
        Ok(context.update(|entry| entry.status = status).await?)
    }
}
