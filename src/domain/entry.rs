//! The core's own record of an environment, in the shape that the Go tool writes (spec §12).
//!
//! Field names and order are those of `state.json`; times are RFC 3339.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checkpoint::{AuditEntry, StepRecord};
use super::moment::Moment;
use super::port_map::PortMap;

/// Outputs of hooks by provisioner service, then by name.
pub type ProvisionerOutputs = BTreeMap<String, BTreeMap<String, String>>;

/// The five statuses of the seed. People are shown other words, derived from more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Provisioning began.
    #[default]
    Creating,
    /// The provision phase ended well.
    Provisioned,
    /// The run phase ended well.
    Running,
    /// Kept, not running.
    Stopped,
    /// The last operation failed; set by the Manager's caller.
    Error,
}

impl Status {
    /// The word in state and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Provisioned => "provisioned",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

/// A word that is none of the five statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("status `{0}` is not valid: it must be creating, provisioned, running, stopped or error")]
pub struct InvalidStatus(String);

impl std::str::FromStr for Status {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        match text {
            "creating" => Ok(Self::Creating),
            "provisioned" => Ok(Self::Provisioned),
            "running" => Ok(Self::Running),
            "stopped" => Ok(Self::Stopped),
            "error" => Ok(Self::Error),
            other => Err(InvalidStatus(other.chars().take(80).flat_map(char::escape_debug).collect())),
        }
    }
}

/// Where an environment lives (`compute` in the entry).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct ComputeAccessInfo {
    /// `local` or `ssh`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The compute root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The machine's address, for `ssh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The account there, for `ssh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether we made the worktree and so may remove it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub managed_worktree: bool,
    /// Adapter's own notes (the Go tool keeps `proxy_command` here).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// One environment as the core keeps it; Go-compatible JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentEntry {
    /// Raw name.
    pub name: String,
    /// Mode, empty until the first provision ends.
    pub mode: String,
    /// Branch that was asked for.
    pub branch: String,
    /// Where in its life it is.
    pub status: Status,
    /// When the entry was made.
    pub created_at: Moment,
    /// When the entry last changed.
    pub updated_at: Moment,
    /// Port by service or infrastructure name.
    pub ports: Option<PortMap>,
    /// Outputs of seeds and resets.
    pub provisioner_outputs: Option<ProvisionerOutputs>,
    /// Where it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeAccessInfo>,
    /// Checkpoints by step name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, StepRecord>,
    /// What was done, oldest first. The bot keeps these as rows of their own and leaves this empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audit_log: Vec<AuditEntry>,
    /// The store: values set by `store set` and `GLOBAL_` outputs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Services that were started, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enabled_services: Vec<String>,
    /// Services of `runner.compose.autostart` that were enabled by themselves, so that one that a person stopped stays
    /// stopped (ours; the Go tool ignores it).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub autostarted: Vec<String>,
}

impl EnvironmentEntry {
    /// Whether this step has a record that says completed.
    #[must_use]
    pub fn step_completed(&self, step: &str) -> bool {
        self.steps.get(step).is_some_and(StepRecord::is_completed)
    }

    /// The outputs in the step's record, only when it completed.
    #[must_use]
    pub fn step_outputs(&self, step: &str) -> Option<&BTreeMap<String, serde_json::Value>> {
        self.steps.get(step).filter(|r| r.is_completed()).map(|r| &r.outputs)
    }

    /// Stores the record under its name; the entry counts as updated when the step finished.
    pub fn set_step_record(&mut self, record: StepRecord) {
        self.updated_at = record.finished_at;
        self.steps.insert(record.name.clone(), record);
    }

    /// Enables a service: it is to run from now on. The order in which services were enabled is kept.
    pub fn enable_service(&mut self, service: &str) {
        if !self.enabled_services.iter().any(|name| name == service) {
            self.enabled_services.push(service.to_owned());
        }
    }

    /// Disables a service: it is not to run any more. One that is not enabled is fine.
    pub fn disable_service(&mut self, service: &str) {
        self.enabled_services.retain(|name| name != service);
    }

    /// Enables services that are to start by themselves, each one once in the environment's life.
    pub fn autostart(&mut self, services: &[String]) {
        for service in services {
            if !self.autostarted.contains(service) {
                self.autostarted.push(service.clone());
                self.enable_service(service);
            }
        }
    }

    /// The compute root, also of an ssh environment.
    #[must_use]
    pub fn worktree_path(&self) -> Option<&str> {
        self.compute.as_ref()?.path.as_deref()
    }

    /// Whether the compute root is a worktree that we made.
    #[must_use]
    pub fn is_managed_worktree(&self) -> bool {
        self.compute.as_ref().is_some_and(|c| c.managed_worktree)
    }
}

/// The state of a whole project (`state.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Format version, 1.
    #[serde(default)]
    pub version: i64,
    /// Entries by environment name.
    #[serde(default)]
    pub environments: BTreeMap<String, EnvironmentEntry>,
}

impl Default for State {
    fn default() -> Self {
        Self { version: STATE_VERSION, environments: BTreeMap::new() }
    }
}

/// The only version of the state's format.
pub(super) const STATE_VERSION: i64 = 1;

/// An entry and what was observed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentDetail {
    /// The entry.
    pub entry: EnvironmentEntry,
    /// Whether its compute says that it runs.
    pub running: bool,
}
