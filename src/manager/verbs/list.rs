//! `list`.

use crate::domain::entry::EnvironmentEntry;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// All entries of the project, by name.
    ///
    /// # Errors
    /// State that cannot be read.
    pub async fn list(&self) -> Result<Vec<EnvironmentEntry>, ManagerError> {
        Ok(self.dependencies.state.load().await?.environments.into_values().collect())
    }
}
