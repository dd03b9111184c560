//! `stop`: nothing runs any more, data is kept.

use crate::domain::entry::Status;
use crate::manager::plan;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Stops the infrastructure and what hooks left running. The next `init` starts all of it again.
    ///
    /// # Errors
    /// `UnknownEnvironment`; a compute that cannot be stopped.
    pub async fn stop(&self, environment: &str) -> Result<(), ManagerError> {
        let entry = self.existing(environment).await?;
        let context = self.context(environment, Some(entry));
        let info = context.facts().await.compute.clone();
        self.dependencies.progress.on_plan(&["stop_infra".to_owned()]).await;
        self.told(&context, "stop_infra", async {
            if let Some(info) = &info {
                self.dependencies.compute.stop(environment, info).await?;
            }
            Ok(())
        })
        .await?;
        // What was built stays built.
        let mut void = plan::build_runner_step_order(&self.dependencies.config);
        void.retain(|step| step != "build_services");
        context.invalidate(&void).await;
        Ok(context.update(|entry| entry.status = Status::Stopped).await?)
    }
}
