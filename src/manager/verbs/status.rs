//! `status`.

use crate::domain::entry::EnvironmentDetail;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// The entry, and whether its infrastructure runs.
    ///
    /// # Errors
    /// `UnknownEnvironment`; a compute that cannot be asked.
    pub async fn status(&self, environment: &str) -> Result<EnvironmentDetail, ManagerError> {
        let entry = self.existing(environment).await?;
        let running = match &entry.compute {
            Some(info) => self.dependencies.compute.is_running(environment, info).await?,
            None => false,
        };
        Ok(EnvironmentDetail { entry, running })
    }
}
