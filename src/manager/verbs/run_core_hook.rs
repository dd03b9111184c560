//! `run_core_hook`: one hook of a service by itself, without touching what is stored of its outputs.

use std::collections::BTreeMap;

use crate::manager::hooks::ServiceHook;
use crate::manager::step::StepError;
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Runs one of `init`, `seed`, `reset`, `destroy` and returns what it printed; `None` when there is no such hook.
    ///
    /// # Errors
    /// `UnknownService`; the hook's failure.
    pub async fn run_core_hook(
        &self,
        service: &str,
        action: &str,
        environment: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ManagerError> {
        let config = self.service(service)?;
        let (text, declared) = match action {
            "init" => (&config.init, &[][..]),
            "seed" => (&config.seed, config.outputs.as_slice()),
            "reset" => (&config.reset, config.outputs.as_slice()),
            "destroy" => (&config.destroy, &[][..]),
            _ => return Ok(None),
        };
        if text.is_empty() {
            return Ok(None);
        }
        let entry = self.dependencies.state.get_environment(environment).await?;
        let context = self.context(environment, entry);
        context.recall().await;
        let step = format!("core_{action}");
        let hook = ServiceHook { service, action, text, step: &step, operation_id: None };
        let result = hook.run(&self.dependencies, context.variables_with_ports().await, declared).await;
        let outputs = result.map_err(|failure| StepError::new(step.as_str(), failure))?;
        if !crate::domain::hook::global_outputs(&outputs).is_empty() {
            context.store_globals(&outputs).await;
            context.save().await?;
        }
        Ok(Some(outputs))
    }
}
