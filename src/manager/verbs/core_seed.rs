//! `core_seed` and `core_destroy`: one service's data, made or removed by hand.

use super::core_reset::Propagation;
use crate::manager::hooks::ServiceHook;
use crate::manager::plan::{self, StepId};
use crate::manager::walk::walk;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Runs the `seed` hook whatever its record says. Outputs reach the record, the manifest and what runs with them, as
    /// after a reset. Returns whether anything ran again because of it.
    ///
    /// # Errors
    /// `UnknownService`, `NoHook`, `UnknownEnvironment`; the hook's failure as step `seed_<service>`; a failing step of
    /// what follows.
    pub async fn core_seed(&self, service: &str, environment: &str) -> Result<bool, ManagerError> {
        if self.service(service)?.seed.is_empty() {
            return Err(ManagerError::NoHook { service: service.to_owned(), action: "seed" });
        }
        let context = self.open_existing(environment).await?.with_no_cache(true);
        let store = context.store().await;
        self.dependencies.progress.on_plan(&[plan::seed_step(service)]).await;
        walk(&context, &[StepId::Seed(service.to_owned())]).await?;
        let outputs = context.facts().await.outputs.clone();
        context.update(|entry| entry.provisioner_outputs = Some(outputs)).await?;
        let cached = context.with_no_cache(false);
        Ok(self.propagate(&cached, service, &store, Propagation::ToWhatRuns).await?)
    }

    /// Runs the `destroy` hook. The next deploy seeds the service anew.
    ///
    /// # Errors
    /// `UnknownService`, `NoHook`, `UnknownEnvironment`; the hook's failure as step `core_destroy`.
    pub async fn core_destroy(&self, service: &str, environment: &str) -> Result<(), ManagerError> {
        const STEP: &str = "core_destroy";
        let text = self.service(service)?.destroy.as_str();
        if text.is_empty() {
            return Err(ManagerError::NoHook { service: service.to_owned(), action: "destroy" });
        }
        let context = self.open_existing(environment).await?;
        // Once the hook has begun, nobody may take the data for whole.
        if !context.invalidate(&[plan::seed_step(service)]).await.is_empty() {
            context.save().await?;
        }
        let hook = ServiceHook { service, action: "destroy", text, step: STEP, operation_id: None };
        let variables = context.variables_with_ports().await;
        self.told(&context, STEP, hook.run(&self.dependencies, variables, &[])).await?;
        let forget = |entry: &mut crate::domain::entry::EnvironmentEntry| {
            entry.steps.remove(&plan::seed_step(service));
            entry.steps.remove(&plan::reset_intent(service));
            if let Some(outputs) = &mut entry.provisioner_outputs {
                outputs.remove(service);
            }
        };
        Ok(context.update(forget).await?)
    }
}
