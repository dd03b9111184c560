//! `attach`: both phases in a worktree that a person made.

use super::deployed::Deployed;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Provisions and runs the environment in the worktree at `path`, which stays the person's own.
    ///
    /// # Errors
    /// As [`Manager::provision_attach`] and [`Manager::init`].
    pub async fn attach(&self, environment: &str, path: &str) -> Result<Deployed, ManagerError> {
        let context = self.open_attached(environment, path, None).await?;
        self.both_phases(&context, true).await
    }
}
