//! `core_init`: a service's `init` hook, once per project and host.

use std::collections::BTreeMap;

use crate::manager::hooks::{ServiceHook, Variables};
use crate::manager::{Manager, ManagerError};

impl Manager {
    /// Runs the `init` hook and returns what it printed.
    ///
    /// # Errors
    /// `UnknownService`, `NoHook`; the hook's failure as step `core_init`.
    pub async fn core_init(&self, service: &str) -> Result<BTreeMap<String, String>, ManagerError> {
        const STEP: &str = "core_init";
        let text = &self.service(service)?.init;
        if text.is_empty() {
            return Err(ManagerError::NoHook { service: service.to_owned(), action: "init" });
        }
        let context = self.context("", None);
        let hook = ServiceHook { service, action: "init", text, step: STEP, operation_id: None };
        let variables = Variables::of(&self.dependencies, "");
        Ok(self.told(&context, STEP, hook.run(&self.dependencies, variables, &[])).await?)
    }
}
