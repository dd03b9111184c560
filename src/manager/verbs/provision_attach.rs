//! `provision_attach`: as `provision`, in a worktree that a person made.

use std::collections::BTreeMap;

use super::deployed::Deployed;
use super::entry::Opening;
use crate::domain::entry::{ComputeAccessInfo, Status};
use crate::domain::ports::CreateRequest;
use crate::manager::context::Context;
use crate::manager::plan;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Runs the provisioner phase in the worktree at `path`, which stays the person's own.
    ///
    /// # Errors
    /// `AlreadyRunning`; `OtherPlace` where the environment lives in another folder; as [`Manager::provision`].
    pub async fn provision_attach(
        &self,
        environment: &str,
        path: &str,
        from: Option<&str>,
    ) -> Result<Deployed, ManagerError> {
        let context = self.open_attached(environment, path, from).await?;
        let plan = plan::provisioner_plan(&self.dependencies.config, true);
        self.dependencies.progress.on_plan(&plan::names(&plan)).await;
        self.provisioner_phase(&context, &plan).await?;
        Ok(Deployed::of(&context).await)
    }

    pub(super) async fn open_attached(
        &self,
        environment: &str,
        path: &str,
        from: Option<&str>,
    ) -> Result<Context<'_>, ManagerError> {
        let branch = self.dependencies.compute.detect_branch(path).await?;
        let stored = self.dependencies.state.get_environment(environment).await?;
        if stored.is_some_and(|entry| entry.status == Status::Running) {
            return Err(ManagerError::AlreadyRunning(environment.to_owned()));
        }
        let attached = ComputeAccessInfo {
            kind: "local".to_owned(),
            path: Some(path.to_owned()),
            host: None,
            user: None,
            managed_worktree: false,
            metadata: BTreeMap::new(),
        };
        let request = CreateRequest { environment: environment.to_owned(), branch, base: None };
        self.open(&Opening { request: &request, attached: Some(attached), from, runs: false }).await
    }
}
