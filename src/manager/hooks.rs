//! Running a user's hook: its variables, its command, and what its end means.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::Dependencies;
use super::context::Context;
use super::fingerprint::Fingerprint;
use super::script::{self, Place, Script};
use super::step::{HookFailure, Inputs, StepFailure};
use crate::domain::error::ErrorKind;
use crate::domain::hook;
use crate::domain::port_map::PortMap;
use crate::domain::ports::{HookCommand, HookOutcome};

/// The variables of one hook.
#[derive(Clone)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// What every hook gets. Ours come last, so that no secret can pose as one of them.
    pub(super) fn of(dependencies: &Dependencies, environment: &str) -> Self {
        let secrets = dependencies.secrets.iter();
        let secrets = secrets.map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
        let variables = Self(secrets)
            .with("PREVIEWCTL_ENV_NAME", environment)
            .with("PREVIEWCTL_ENVIRONMENT_NAME", &hook::sanitize_name(environment))
            .with("PREVIEWCTL_ENVIRONMENT_ID", &dependencies.life.to_string())
            .with("PREVIEWCTL_PROJECT_NAME", &dependencies.config.name)
            .with("PREVIEWCTL_PROJECT_ROOT", &dependencies.project_root.to_string_lossy())
            .with("PREVIEWCTL_MODE", mode(&dependencies.config.mode));
        match &dependencies.commit {
            Some(commit) => variables.with("PREVIEWCTL_COMMIT", commit.as_str()),
            None => variables,
        }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn with_ports(mut self, ports: &PortMap) -> Self {
        self.0.extend(ports.iter().map(|(name, port)| (hook::port_variable(name), port.to_string())));
        self
    }

    pub(super) fn with_store(mut self, store: &BTreeMap<String, String>) -> Self {
        self.0.extend(store.iter().map(|(key, value)| (hook::store_variable(key), value.clone())));
        self
    }
}

/// The mode's word; an empty one means `local`.
pub(super) fn mode(mode: &str) -> &str {
    if mode.is_empty() { "local" } else { mode }
}

impl Context<'_> {
    /// What every hook of this environment gets, with its store.
    pub(super) async fn variables(&self) -> Variables {
        let variables = Variables::of(self.dependencies, &self.environment);
        match &self.facts().await.entry {
            Some(entry) => variables.with_store(&entry.env),
            None => variables,
        }
    }

    /// The same with the ports that are known.
    pub(super) async fn variables_with_ports(&self) -> Variables {
        let variables = self.variables().await;
        variables.with_ports(&self.facts().await.ports)
    }
}

/// One hook to run.
pub(super) struct HookCall<'a> {
    /// Where it stands in the configuration, `runner.deploy`.
    pub(super) hook: String,
    /// The step that it belongs to.
    pub(super) step: &'a str,
    /// Its text.
    pub(super) text: &'a str,
    /// Where it runs.
    pub(super) place: Place<'a>,
    /// Its variables.
    pub(super) variables: Variables,
    /// `PREVIEWCTL_OPERATION_ID`.
    pub(super) operation_id: Option<&'a str>,
    /// Whether a cancellation may kill it.
    pub(super) killable: bool,
    /// Whether it prints values that nobody should see (`NAME=value` outputs).
    pub(super) prints_values: bool,
}

impl HookCall<'_> {
    fn command(&self, dependencies: &Dependencies) -> HookCommand {
        let variables = match self.operation_id {
            Some(id) => self.variables.clone().with("PREVIEWCTL_OPERATION_ID", id),
            None => self.variables.clone(),
        };
        let directory = match self.place {
            Place::ProjectRoot(root) => root.to_string_lossy().into_owned(),
            Place::Compute(_) => ".".to_owned(),
        };
        let mut fingerprint = Fingerprint::of(self.step).with("hook", &self.hook).with("text", self.text);
        for (name, value) in &variables.0 {
            fingerprint = fingerprint.with(name, value);
        }
        HookCommand {
            step: self.step.to_owned(),
            script: self.text.to_owned(),
            directory,
            environment: variables.0,
            timeout: dependencies.step_timeout,
            fingerprint: fingerprint.finish(),
            killable: self.killable,
            prints_values: self.prints_values,
        }
    }

    /// Runs it; every end but a good one is a failure.
    pub(super) async fn run(&self, dependencies: &Dependencies) -> Result<HookOutcome, StepFailure> {
        if let Script::Missing(script) = script::find(self.text, self.place).await? {
            return Err(StepFailure::MissingScript { hook: self.hook.clone(), script });
        }
        let command = self.command(dependencies);
        let outcome = match self.place {
            Place::ProjectRoot(_) => dependencies.hooks.run(&command, &dependencies.cancel).await,
            Place::Compute(access) => access.exec(&command, &dependencies.cancel).await,
        };
        let outcome = outcome.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => StepFailure::HookTimedOut { hook: self.hook.clone(), limit: command.timeout },
            _ => StepFailure::Port(error.context(format!("hook {}", self.hook))),
        })?;
        if outcome.succeeded() {
            return Ok(outcome);
        }
        let log_tail = self.log_tail(dependencies, &outcome);
        Err(StepFailure::Hook(HookFailure { hook: self.hook.clone(), exit: outcome.exit, log_tail }))
    }

    /// Runs it and returns what it printed; the declared names must be among that.
    pub(super) async fn run_for_outputs(
        &self,
        dependencies: &Dependencies,
        declared: &[String],
    ) -> Result<BTreeMap<String, String>, StepFailure> {
        let outcome = self.run(dependencies).await?;
        let outputs = hook::parse_outputs(&outcome.stdout);
        hook::require_outputs(&outputs, declared).map_err(|source| StepFailure::MissingOutputs {
            hook: self.hook.clone(),
            source,
            log_tail: self.log_tail(dependencies, &outcome),
        })?;
        Ok(outputs)
    }

    /// The last lines as people may see them.
    pub(super) fn log_tail(&self, dependencies: &Dependencies, outcome: &HookOutcome) -> Vec<String> {
        let show = |line: &String| {
            let line = dependencies.redactor.redact(line);
            if self.prints_values { hook::display_line(&line) } else { line }
        };
        outcome.tail.iter().map(show).collect()
    }
}

/// The inputs of a hook: its text, its script's content, the store's values and secrets that either names, and what
/// else is given.
pub(super) async fn inputs(
    context: &Context<'_>,
    fingerprint: Fingerprint,
    text: &str,
    place: Place<'_>,
) -> Inputs {
    let (fingerprint, script) = match script::find(text, place).await {
        Ok(Script::Unnamed) => (fingerprint.with("text", text), Vec::new()),
        Ok(Script::Content(content)) => (fingerprint.with("text", text).with("script", &content), content),
        Ok(Script::Missing(_)) | Err(_) => return Inputs::Unknown,
    };
    let script = String::from_utf8_lossy(&script);
    let names = |variable: &str| mentions(text, variable) || mentions(&script, variable);
    let mut fingerprint = fingerprint;
    for (key, value) in context.store().await {
        let variable = hook::store_variable(&key);
        if names(&variable) {
            fingerprint = fingerprint.with(&variable, value);
        }
    }
    for (name, value) in &context.dependencies.secrets {
        if names(name) {
            // The life is hashed too, so that hashes of one secret in two environments say nothing of each other.
            let secret = format!("{}\0{}", context.dependencies.life, value.expose_secret());
            fingerprint = fingerprint.with(name, secret);
        }
    }
    fingerprint.inputs()
}

/// Whether a shell text names a variable.
fn mentions(text: &str, variable: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(variable).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_part);
        let after = text[at + variable.len()..].chars().next().is_some_and(is_part);
        !before && !after
    })
}

/// One hook of a provisioner service, always in the control checkout.
pub(super) struct ServiceHook<'a> {
    /// The service.
    pub(super) service: &'a str,
    /// `init`, `seed`, `reset` or `destroy`.
    pub(super) action: &'a str,
    /// Its text.
    pub(super) text: &'a str,
    /// The step that it belongs to.
    pub(super) step: &'a str,
    /// `PREVIEWCTL_OPERATION_ID`.
    pub(super) operation_id: Option<&'a str>,
}

impl ServiceHook<'_> {
    /// Runs it and returns what it printed; `declared` names must be among that.
    pub(super) async fn run(
        &self,
        dependencies: &Dependencies,
        variables: Variables,
        declared: &[String],
    ) -> Result<BTreeMap<String, String>, StepFailure> {
        let variables =
            variables.with("PREVIEWCTL_ACTION", self.action).with("PREVIEWCTL_SERVICE_NAME", self.service);
        let call = HookCall {
            hook: format!("provisioner.services.{}.{}", self.service, self.action),
            step: self.step,
            text: self.text,
            place: Place::ProjectRoot(&dependencies.project_root),
            variables,
            operation_id: self.operation_id,
            killable: true,
            prints_values: true,
        };
        call.run_for_outputs(dependencies, declared).await
    }
}
