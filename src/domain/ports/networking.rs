use async_trait::async_trait;

use crate::domain::environment::{Environment, EnvironmentId};
use crate::domain::error::PortResult;
use crate::domain::port_map::PortMap;

/// Ports and addresses of one environment's services.
#[async_trait]
pub trait NetworkingPort: Send + Sync {
    /// One TCP port for each name: deterministic choice from the environment's block (spec §8), leased on its host.
    /// A name that has a lease already keeps its port. Names in `fixed` get the ports there, leased like the others.
    ///
    /// # Errors
    /// `Invalid` when another environment holds a fixed port.
    async fn allocate_ports(&self, environment: &str, names: &[String], fixed: &PortMap) -> PortResult<PortMap>;

    /// The published URL of a service.
    ///
    /// # Errors
    /// `NotFound` when the service has no port.
    fn service_url(&self, ports: &PortMap, environment: &str, service: &str) -> PortResult<String>;
}

/// Which TCP ports of a host belong to which environment.
#[async_trait]
pub trait PortLeases: Send + Sync {
    /// All leases on a host: port, its environment, its service.
    async fn leases(&self, host: &str) -> PortResult<Vec<(u16, EnvironmentId, String)>>;

    /// The environment that a lease names, for telling people whose it is.
    async fn holder(&self, environment: EnvironmentId) -> PortResult<Option<Environment>>;

    /// Makes these exactly the environment's leases on the host.
    ///
    /// # Errors
    /// `Conflict` when another environment has one of them.
    async fn lease(&self, host: &str, environment: EnvironmentId, ports: &PortMap) -> PortResult<()>;

    /// Gives all leases of an environment back.
    async fn release(&self, environment: EnvironmentId) -> PortResult<()>;
}
