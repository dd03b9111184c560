//! `init`: both phases, from nothing to a running environment.

use super::deployed::Deployed;
use super::entry::Opening;
use crate::domain::ports::CreateRequest;
use crate::manager::context::Context;
use crate::manager::plan;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Provisions the environment and runs it. Doing so again re-runs what changed and nothing else; `from` names a
    /// step of either phase from which on everything runs again.
    ///
    /// # Errors
    /// `UnknownStep` before anything is made; otherwise as [`Manager::provision`], and the runner phase's first failing
    /// step. The status is left as it is: the caller sets `error`.
    pub async fn init(&self, request: &CreateRequest, from: Option<&str>) -> Result<Deployed, ManagerError> {
        let context = self.open(&Opening { request, attached: None, from, runs: true }).await?;
        self.both_phases(&context, false).await
    }

    pub(super) async fn both_phases(
        &self,
        context: &Context<'_>,
        attached: bool,
    ) -> Result<Deployed, ManagerError> {
        let config = &self.dependencies.config;
        let provisioner = plan::provisioner_plan(config, attached);
        let runner = plan::runner_plan(config, self.runner_scope(self.has_env(), attached));
        let announced = [plan::names(&provisioner), plan::names(&runner)].concat();
        self.dependencies.progress.on_plan(&announced).await;
        self.provisioner_phase(context, &provisioner).await?;
        // The phase before left it as it is written down.
        if context.facts().await.manifest.is_none() {
            self.load_manifest(context).await?;
        }
        let has_files = !context.manifest_env_files().await.is_empty();
        let runner = plan::runner_plan(config, self.runner_scope(has_files, attached));
        self.runner_phase(context, &runner).await?;
        Ok(Deployed::of(context).await)
    }
}
