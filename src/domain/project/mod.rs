//! The repository's own file, `previewctl.yaml`: its types (spec §2). Parsing, overlays, templates,
//! validation and ordering live beside this file.

pub mod graph;
pub mod load;
pub mod overlay;
pub mod parse;
pub mod paths;
pub mod places;
pub mod policy;
pub mod problem;
pub mod source;
pub mod template;
pub mod validate;

use std::collections::BTreeMap;

pub use policy::{PreviewPolicy, Terms};

/// A parsed and merged `previewctl.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProjectConfig {
    /// Format version; only 1 passes validation.
    pub version: i64,
    /// Project name.
    pub name: String,
    /// Which overlay was loaded; set by the loader, never by the file.
    pub mode: String,
    /// Where things run and what values exist.
    pub provisioner: ProvisionerConfig,
    /// The compose file of the infrastructure.
    pub infrastructure: Option<InfrastructureConfig>,
    /// The application's services.
    pub services: BTreeMap<String, ServiceConfig>,
    /// What makes it run.
    pub runner: Option<RunnerConfig>,
    /// The bot's own block (`preview:`), which the Go tool ignores.
    pub preview: PreviewPolicy,
}

/// `provisioner:`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProvisionerConfig {
    /// Hook before everything, in the project root.
    pub before: String,
    /// Hook after everything, in the project root.
    pub after: String,
    /// Hooks that make and destroy the machine; present selects remote provisioning.
    pub compute: Option<ComputeHooks>,
    /// Services outside (databases, queues) that are seeded for each environment.
    pub services: BTreeMap<String, ProvisionerServiceConfig>,
}

/// `provisioner.compute`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComputeHooks {
    /// Makes the machine and prints its outputs.
    pub create: String,
    /// Destroys it.
    pub destroy: String,
    /// Looks for one that was already made under the same operation id and prints the same outputs.
    pub find: String,
    /// Names that `create` must print.
    pub outputs: Vec<String>,
    /// How to reach the machine.
    pub ssh: Option<SshConfig>,
}

/// `provisioner.compute.ssh`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SshConfig {
    /// `ProxyCommand` text.
    pub proxy_command: String,
    /// Account.
    pub user: String,
    /// Command that prints the account.
    pub user_command: String,
    /// Private key.
    pub identity_file: String,
    /// Compute root there.
    pub root: String,
}

/// `provisioner.services.<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProvisionerServiceConfig {
    /// Names that seed and reset must print.
    pub outputs: Vec<String>,
    /// Once per project and host.
    pub init: String,
    /// Once per environment.
    pub seed: String,
    /// Back to the seed.
    pub reset: String,
    /// Removes the environment's data.
    pub destroy: String,
}

/// `infrastructure:`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InfrastructureConfig {
    /// Path from the project root.
    pub compose_file: String,
    /// Its services, read from the compose file, not from this one.
    pub services: BTreeMap<String, InfraService>,
}

/// One service of the infrastructure's compose file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InfraService {
    /// Image text, raw.
    pub image: String,
    /// First published port; 0 when none is, or when it is only known once Compose runs.
    pub port: u16,
    /// Variable that the compose file takes the port from.
    pub env_var: String,
    /// Every published port, in the order of the file.
    pub ports: Vec<PublishedPort>,
}

/// One entry of a compose service's `ports`, with its variables at their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishedPort {
    /// Port on the host; the first of a range, 0 when Docker chooses or a variable without a default decides.
    pub host: u16,
    /// Variable that alone decides the port on the host.
    pub env_var: String,
    /// Port in the container; the first of a range.
    pub container: u16,
    /// How many ports follow each other in a range; 1 for a single port.
    pub count: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// `services.<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceConfig {
    /// Folder from the project root.
    pub path: String,
    /// Read, unused by the seed.
    pub command: String,
    /// Names of services, infrastructure or provisioner services.
    pub depends_on: Vec<String>,
    /// Variables with templates; absent and empty differ.
    pub env: Option<BTreeMap<String, String>>,
    /// Path from `path`; empty means `.env.local`.
    pub env_file: String,
    /// Fixed port; 0 = allocate.
    pub port: u16,
    /// Build command.
    pub build: String,
    /// Start command.
    pub start: String,
    /// Routes to other services.
    pub proxy: Vec<ProxyRule>,
}

impl ServiceConfig {
    /// The env file's name with its default.
    #[must_use]
    pub fn env_file_or_default(&self) -> &str {
        if self.env_file.is_empty() { ".env.local" } else { &self.env_file }
    }
}

/// One entry of `services.<name>.proxy`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyRule {
    /// Path on this service.
    pub path: String,
    /// Path on the target; `path` when empty.
    pub target_path: String,
    /// Target service (`to.service`).
    pub to_service: String,
}

/// `runner:`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunnerConfig {
    /// Before everything, in the compute root.
    pub before: Hook,
    /// Builds the services.
    pub build: Hook,
    /// Starts the application.
    pub deploy: Hook,
    /// After everything.
    pub after: Hook,
    /// Before the environment goes.
    pub destroy: Hook,
    /// Generated compose file.
    pub compose: Option<RunnerComposeConfig>,
}

/// A runner hook: text, or text with its caching rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hook {
    /// Shell text; empty when unset.
    pub command: String,
    /// `false` forces the step to run each time; `None` when not said (cache allowed).
    pub allow_cache: Option<bool>,
}

impl Hook {
    /// Whether there is something to run.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.command.is_empty()
    }
}

/// `runner.compose`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunnerComposeConfig {
    /// Image of every generated service.
    pub image: String,
    /// Services to start by themselves.
    pub autostart: Vec<String>,
    /// The reverse proxy.
    pub proxy: Option<ProxyConfig>,
}

/// `runner.compose.proxy`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyConfig {
    /// `None` = enabled, because the block exists.
    pub enabled: Option<bool>,
    /// Domain below which hosts are made.
    pub domain: String,
    /// `nginx` when empty.
    pub kind: String,
}

impl ProjectConfig {
    /// Services plus infrastructure names, sorted by bytes: the names that need a port (spec §8).
    /// A name in both lists appears twice, as in the seed.
    #[must_use]
    pub fn service_names(&self) -> Vec<String> {
        let infrastructure = self.infrastructure.iter().flat_map(|i| i.services.keys());
        let mut names: Vec<String> = self.services.keys().chain(infrastructure).cloned().collect();
        names.sort();
        names
    }
}
