use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::compose::ComposeContainer;
use crate::domain::entry::ComputeAccessInfo;
use crate::domain::error::PortResult;
use crate::domain::port_map::PortMap;

/// Which of an environment's two compose files. Both belong to one compose project: what is done to one never
/// touches the other's containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The user's own file (`infrastructure.compose_file`).
    Infrastructure,
    /// The generated file (`.previewctl.compose.yaml`).
    Application,
}

/// Services of one environment.
#[derive(Debug, Clone, Copy)]
pub struct ContainerTarget<'a> {
    /// Environment name.
    pub environment: &'a str,
    /// Where it lives.
    pub info: &'a ComputeAccessInfo,
    /// Which compose file.
    pub part: Part,
    /// Services of that file, in the order in which they are named to Compose; empty means all of them.
    pub services: &'a [String],
}

/// What containers are started with.
#[derive(Debug, Clone, Copy)]
pub struct UpRequest<'a> {
    /// The services to start.
    pub target: ContainerTarget<'a>,
    /// Leased ports by name: the infrastructure publishes them, the application was told them already.
    pub ports: &'a PortMap,
    /// What a service's containers were made from, as far as the file does not say it (code, builds, mounted files).
    /// A container of another revision is made anew.
    pub revisions: &'a BTreeMap<String, String>,
}

/// Which log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    /// Which compose file.
    pub part: Part,
    /// Its services; empty means all of them.
    pub services: Vec<String>,
    /// Whether to go on with what is printed from now on, until the sink has enough or the work is cancelled.
    pub follow: bool,
    /// Only from this time on, as docker takes it: `10m`, `2026-01-31T10:00:00Z`.
    pub since: Option<String>,
    /// Only up to this time.
    pub until: Option<String>,
    /// Only the last lines of each service.
    pub tail: Option<u32>,
    /// Only the first lines of all.
    pub head: Option<u32>,
    /// Whether each line says when it was printed.
    pub timestamps: bool,
    /// Whether lines are left without colours.
    pub no_color: bool,
}

impl LogRequest {
    /// Everything that one part printed so far.
    #[must_use]
    pub const fn of(part: Part) -> Self {
        Self {
            part,
            services: Vec::new(),
            follow: false,
            since: None,
            until: None,
            tail: None,
            head: None,
            timestamps: false,
            no_color: true,
        }
    }
}

/// Who gets log lines.
pub trait LineSink: Send + Sync {
    /// One line, without its line break. `false`: no more, please.
    fn line(&self, line: &str) -> bool;
}

/// The containers of one environment's compose project.
#[async_trait]
pub trait Containers: Send + Sync {
    /// Starts services and waits until each is ready: runs and is healthy, or was a job that ended well. The file is
    /// read anew. Other services of the project stay as they are.
    ///
    /// # Errors
    /// `Invalid` naming the service at fault with its last log lines; a file that Compose does not take.
    async fn up(&self, request: &UpRequest<'_>, cancel: &CancellationToken) -> PortResult<()>;

    /// Stops services, keeping their containers and data. What was never started is fine.
    async fn halt(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()>;

    /// Stops services and starts them again as they are, and waits until each is ready.
    ///
    /// # Errors
    /// As [`Containers::up`]; `NotFound` where the part was never started.
    async fn restart(&self, target: &ContainerTarget<'_>, cancel: &CancellationToken) -> PortResult<()>;

    /// The containers of services, stopped ones included. None where the part was never started.
    async fn containers(&self, target: &ContainerTarget<'_>) -> PortResult<Vec<ComposeContainer>>;

    /// Hands log lines to a sink until there are no more.
    ///
    /// # Errors
    /// `NotFound` where the part was never started.
    async fn logs(
        &self,
        environment: &str,
        info: &ComputeAccessInfo,
        request: &LogRequest,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<()>;
}
