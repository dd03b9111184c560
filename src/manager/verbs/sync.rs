//! `sync`: brings generated files and containers to what the configuration says now, without building anything.

use super::deployed::Deployed;
use crate::manager::plan::{self, StepId};
use crate::manager::walk::walk;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Writes manifest, env files, the application's compose file and the proxy's configuration anew, and starts the
    /// enabled services with them. Containers that nothing changed for stay.
    ///
    /// # Errors
    /// `UnknownEnvironment`; the first failing step.
    pub async fn sync(&self, environment: &str) -> Result<Deployed, ManagerError> {
        let context = self.open_existing(environment).await?.with_no_cache(true);
        let mut ids = plan::application_steps(&self.dependencies.config, self.has_env());
        ids.retain(|id| *id != StepId::BuildServices);
        ids.insert(0, StepId::GenerateManifest);
        self.dependencies.progress.on_plan(&plan::names(&ids)).await;
        walk(&context, &ids).await?;
        Ok(Deployed::of(&context).await)
    }
}
