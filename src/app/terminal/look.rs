//! A Manager that only looks: it holds nothing, and whatever it would write is refused.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::bench::{Tools, no_claim, this_machine};
use super::session::Session;
use crate::domain::change::ChangeNumber;
use crate::domain::environment::{EnvName, Environment, EnvironmentId, LifeId};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{HookCommand, HookOutcome, HookRunner, Silent};
use crate::domain::redact::Redactor;
use crate::manager::{Dependencies, Manager};
use crate::outbound::compute::MachineCompute;
use crate::outbound::store::StoredState;

/// No hook runs while somebody only looks.
pub(super) struct NoHooks;

#[async_trait]
impl HookRunner for NoHooks {
    async fn run(&self, command: &HookCommand, _cancel: &CancellationToken) -> PortResult<HookOutcome> {
        let message = format!("step {} may not run: this command only looks", command.step);
        Err(PortError::new(ErrorKind::Fenced, message))
    }
}

impl Session {
    /// A Manager for looking at an environment.
    pub(super) async fn looking(&self, environment: &Environment, no_cache: bool) -> anyhow::Result<Manager> {
        let config = self.project.recalled(&self.mode_of(Some(&environment.called())).await?).await?;
        // What cannot be shown without its value is told when it is to be written.
        let secrets = self.project.secrets(&config).unwrap_or_default();
        let hooks: Arc<dyn HookRunner> = Arc::new(NoHooks);
        let source = Arc::new(Tools::source(&self.project, &config));
        let compute =
            MachineCompute::new(self.tools.place(environment, &config), this_machine(hooks.clone()), source);
        let claim = no_claim(environment.id);
        Ok(Manager::new(Dependencies {
            networking: Arc::new(self.tools.networking(&claim, environment)),
            state: Arc::new(StoredState::new(self.tools.store.clone(), environment.id, Some(claim))),
            compute: Arc::new(compute),
            progress: Arc::new(Silent),
            hooks,
            clock: self.tools.clock.clone(),
            probe: None,
            cancel: self.cancel.clone(),
            redactor: Redactor::of_secrets(&secrets),
            secrets,
            life: environment.life,
            commit: environment.desired.commit().cloned(),
            machine: self.tools.machine.clone(),
            boot: crate::app::workshop::this_boot(),
            step_timeout: self.tools.settings.limits.step_timeout(),
            no_cache,
            project_root: self.project.root.clone(),
            config,
        }))
    }

    /// An environment that is not there yet, to plan with.
    pub(super) fn imagined(&self, name: &str) -> Environment {
        let project = self.known.project.clone();
        let name = EnvName::of_text(name);
        Environment::new(EnvironmentId(0), project, name, LifeId(uuid::Uuid::nil()), ChangeNumber(0))
    }
}
