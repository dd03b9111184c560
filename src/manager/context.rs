//! What a step may see and change: the environment's entry and what the phase has learnt so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::fingerprint::Fingerprint;
use super::step::{Inputs, StepError, StepFailure};
use super::{Dependencies, plan};
use crate::domain::checkpoint::{AuditAction, AuditEntry, RecordStatus, StepRecord};
use crate::domain::entry::{ComputeAccessInfo, EnvironmentEntry, ProvisionerOutputs};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::hook;
use crate::domain::manifest::Manifest;
use crate::domain::port_map::PortMap;
use crate::domain::ports::ComputeAccess;
use crate::domain::progress::{StepEvent, StepStatus};

/// What the phase has learnt so far. It reaches the entry when the phase ends, so that a half-provisioned
/// environment does not look provisioned.
#[derive(Default)]
pub(super) struct Facts {
    /// The stored entry; `None` = stateless run.
    pub(super) entry: Option<EnvironmentEntry>,
    /// Branch that was asked for or detected.
    pub(super) branch: String,
    /// Base branch to make it from.
    pub(super) base: Option<String>,
    /// Whether a person's own worktree is attached.
    pub(super) attached: bool,
    /// Where it lives.
    pub(super) compute: Option<ComputeAccessInfo>,
    /// Ports by name.
    pub(super) ports: PortMap,
    /// Outputs by provisioner service.
    pub(super) outputs: ProvisionerOutputs,
    /// The resolved environment.
    pub(super) manifest: Option<Manifest>,
    /// Steps that ran, in order of their end.
    pub(super) ran: Vec<String>,
    /// Steps that changed since they made what must not be lost.
    pub(super) stale: Vec<String>,
    /// Redacted last lines of the last runner hook.
    pub(super) last_log: Vec<String>,
    /// Steps whose run changed nothing: what was built on them still holds.
    pub(super) untouched: BTreeSet<String>,
    /// `GLOBAL_` outputs of this verb's hooks.
    globals: BTreeMap<String, String>,
    access: Option<Arc<dyn ComputeAccess>>,
}

/// One environment during one verb.
pub struct Context<'a> {
    pub(super) dependencies: &'a Dependencies,
    pub(super) environment: String,
    pub(super) no_cache: bool,
    facts: Mutex<Facts>,
}

impl<'a> Context<'a> {
    /// A context for a stored entry, or for a stateless run when there is none.
    #[must_use]
    pub fn new(dependencies: &'a Dependencies, environment: &str, entry: Option<EnvironmentEntry>) -> Self {
        let facts = Facts {
            branch: entry.as_ref().map(|e| e.branch.clone()).unwrap_or_default(),
            compute: entry.as_ref().and_then(|e| e.compute.clone()),
            entry,
            ..Facts::default()
        };
        let no_cache = dependencies.no_cache;
        Self { dependencies, environment: environment.to_owned(), no_cache, facts: Mutex::new(facts) }
    }

    /// The same with the Manager's present no-cache switch.
    pub(super) fn with_no_cache(mut self, no_cache: bool) -> Self {
        self.no_cache = no_cache;
        self
    }

    /// The facts; hold them only briefly.
    pub(super) async fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().await
    }

    /// A copy of the entry as it is now.
    pub async fn entry(&self) -> Option<EnvironmentEntry> {
        self.facts().await.entry.clone()
    }

    /// The token that asks the work to stop.
    pub(super) fn cancel(&self) -> &CancellationToken {
        &self.dependencies.cancel
    }

    pub(super) fn check_cancelled(&self, step: &str) -> Result<(), StepError> {
        if self.cancel().is_cancelled() {
            let error = PortError::new(ErrorKind::Cancelled, format!("cancelled before {step}"));
            return Err(StepError::new(step, error));
        }
        Ok(())
    }

    pub(super) async fn record(&self, step: &str) -> Option<StepRecord> {
        self.facts().await.entry.as_ref().and_then(|entry| entry.steps.get(step).cloned())
    }

    /// Puts a record into the entry, without saving it; nothing in a stateless run.
    pub(super) async fn set_record(&self, record: StepRecord) {
        if let Some(entry) = &mut self.facts().await.entry {
            entry.set_step_record(record);
        }
    }

    /// Saves the entry; nothing in a stateless run. The facts stay locked meanwhile, so that overlapping steps
    /// cannot overwrite a newer entry with an older one.
    pub(super) async fn save(&self) -> PortResult<()> {
        let facts = self.facts().await;
        match &facts.entry {
            Some(entry) => self.dependencies.state.set_environment(entry).await,
            None => Ok(()),
        }
    }

    /// Changes the entry and saves it.
    pub(super) async fn update(&self, change: impl FnOnce(&mut EnvironmentEntry)) -> PortResult<()> {
        if let Some(entry) = &mut self.facts().await.entry {
            change(entry);
            entry.updated_at = self.dependencies.clock.now().into();
        }
        self.save().await
    }

    /// Makes hooks' `GLOBAL_` outputs part of the environment's store.
    pub(super) async fn store_globals(&self, outputs: &BTreeMap<String, String>) {
        let mut facts = self.facts().await;
        let globals = hook::global_outputs(outputs);
        if let Some(entry) = &mut facts.entry {
            entry.env.extend(globals.clone());
        }
        facts.globals.extend(globals);
    }

    /// Takes over what a hook itself put into the stored entry's store (`store set`) while it ran.
    pub(super) async fn adopt_store(&self) -> PortResult<()> {
        let stored = self.dependencies.state.get_environment(&self.environment).await?;
        let mut facts = self.facts().await;
        let globals = facts.globals.clone();
        if let (Some(stored), Some(entry)) = (stored, &mut facts.entry) {
            entry.env = stored.env;
            entry.env.extend(globals);
        }
        Ok(())
    }

    /// Access to the compute root.
    pub(super) async fn access(&self) -> Result<Arc<dyn ComputeAccess>, StepFailure> {
        let info = {
            let facts = self.facts().await;
            if let Some(access) = &facts.access {
                return Ok(Arc::clone(access));
            }
            facts.compute.clone().ok_or(StepFailure::Missing("compute"))?
        };
        let access = self.dependencies.compute.access(&info).await?;
        self.facts().await.access = Some(Arc::clone(&access));
        Ok(access)
    }

    /// Says where the environment lives from now on.
    pub(super) async fn place(&self, info: ComputeAccessInfo) {
        let mut facts = self.facts().await;
        facts.access = None;
        if let Some(entry) = &mut facts.entry {
            entry.compute = Some(info.clone());
        }
        facts.compute = Some(info);
    }

    pub(super) async fn manifest(&self) -> Result<Manifest, StepFailure> {
        self.facts().await.manifest.clone().ok_or(StepFailure::Missing("manifest"))
    }

    /// The inputs of a step that makes the manifest or writes it down: each part by its name.
    pub(super) fn manifest_inputs(step: &str, manifest: &Manifest) -> Inputs {
        let mut fingerprint = Fingerprint::of(step);
        for (name, text) in manifest.parts() {
            fingerprint = fingerprint.with(&name, text);
        }
        fingerprint.inputs()
    }

    /// The store; empty in a stateless run.
    pub(super) async fn store(&self) -> BTreeMap<String, String> {
        self.facts().await.entry.as_ref().map(|entry| entry.env.clone()).unwrap_or_default()
    }

    /// The project's secrets in the clear.
    pub(super) fn secrets(&self) -> BTreeMap<String, String> {
        let secrets = self.dependencies.secrets.iter();
        secrets.map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
    }

    pub(super) async fn report(&self, step: &str, status: StepStatus, message: &str, duration_ms: Option<i64>) {
        let message = self.dependencies.redactor.redact(message);
        let event = StepEvent { step: step.to_owned(), status, message, duration_ms };
        self.dependencies.progress.on_step(&event).await;
    }

    /// Keeps one line of step history; nothing in a stateless run.
    pub(super) async fn audit(&self, line: AuditLine<'_>) -> PortResult<()> {
        if self.facts().await.entry.is_none() {
            return Ok(());
        }
        let entry = AuditEntry {
            timestamp: self.dependencies.clock.now().into(),
            step: line.step.to_owned(),
            action: line.action,
            machine: self.dependencies.machine.clone(),
            duration_ms: line.duration_ms,
            message: line.message,
            error: line.error,
        };
        self.dependencies.state.append_audit(&self.environment, &entry).await
    }

    /// Marks what was built on `step` to be built anew, unless its run changed nothing. `changed`: the inputs that
    /// differ from those of the run before, where that is known.
    pub(super) async fn invalidate_dependants(
        &self,
        step: &str,
        changed: Option<&BTreeSet<String>>,
    ) -> PortResult<()> {
        if self.facts().await.untouched.remove(step) {
            return Ok(());
        }
        let mut dependants = plan::dependants(&self.dependencies.config, step, changed);
        if self.no_cache {
            // This phase runs anew anyway; only a later phase needs to know.
            let runner = plan::build_runner_step_order(&self.dependencies.config);
            dependants.retain(|name| runner.contains(name));
        }
        for name in self.invalidate(&dependants).await {
            if !self.no_cache {
                let message = Some(format!("{step} ran again"));
                self.audit(AuditLine { message, ..AuditLine::of(&name, AuditAction::Invalidated) }).await?;
            }
        }
        Ok(())
    }

    /// Marks completed records as invalidated and returns which ones there were.
    pub(super) async fn invalidate(&self, steps: &[String]) -> Vec<String> {
        let mut facts = self.facts().await;
        let Some(entry) = &mut facts.entry else {
            return Vec::new();
        };
        let mut invalidated = Vec::new();
        for name in steps {
            if let Some(record) = entry.steps.get_mut(name).filter(|record| record.is_completed()) {
                record.status = RecordStatus::Invalidated;
                invalidated.push(name.clone());
            }
        }
        invalidated
    }

    /// Waits for a port's work, at most as long as a step may take. When the time is up the work is asked to stop and
    /// waited for: what it has begun must not go on behind our back.
    pub(super) async fn within_limit<T>(
        &self,
        what: &str,
        work: impl Future<Output = PortResult<T>>,
        token: &CancellationToken,
    ) -> PortResult<T> {
        let limit = self.dependencies.step_timeout;
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = self.dependencies.clock.sleep(limit) => token.cancel(),
        }
        match work.await {
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                let message = format!("{what} did not end within {} s", limit.as_secs());
                Err(PortError::new(ErrorKind::TimedOut, message))
            }
            other => other,
        }
    }
}

/// One line of step history, as far as the context does not know it.
pub(super) struct AuditLine<'a> {
    pub(super) step: &'a str,
    pub(super) action: AuditAction,
    pub(super) duration_ms: i64,
    pub(super) message: Option<String>,
    pub(super) error: Option<String>,
}

impl<'a> AuditLine<'a> {
    pub(super) const fn of(step: &'a str, action: AuditAction) -> Self {
        Self { step, action, duration_ms: 0, message: None, error: None }
    }
}
