//! TCP ports of a machine and the addresses that people reach them at.

use std::collections::BTreeMap;
use std::io::ErrorKind as IoErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::domain::environment::EnvironmentId;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::port_map::{self, PortMap, PortMapError};
use crate::domain::ports::{NetworkingPort, PortLeases};
use crate::outbound::reservations::Reservations;

/// How often the choice is made anew when another environment was quicker.
const TRIES: u32 = 5;

/// What people reach a machine by. Of one that is still to be made it is told later.
#[derive(Debug, Clone, Default)]
pub struct PublicHost(Arc<RwLock<String>>);

impl PublicHost {
    /// Says it, to all who have a clone.
    pub fn tell(&self, host: &str) {
        host.clone_into(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn get(&self) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<&str> for PublicHost {
    fn from(host: &str) -> Self {
        Self(Arc::new(RwLock::new(host.to_owned())))
    }
}

/// A machine that nobody else uses: every port is free.
pub struct AllFree;

#[async_trait]
impl PortLook for AllFree {
    async fn look(&self) -> PortResult<IsFree> {
        Ok(Box::new(|_| true))
    }
}

/// For which environment ports are leased, and how its URLs look.
#[derive(Debug, Clone)]
pub struct NetworkingOptions {
    /// The host that leases are kept for.
    pub host: String,
    /// Whose leases.
    pub environment: EnvironmentId,
    /// The project's slug, for `{slug}`.
    pub slug: String,
    /// What people reach the host by, for `{host}`.
    pub public_host: PublicHost,
    /// `http://{host}:{port}`; `{env}`, `{service}` and `{slug}` may be used too.
    pub template: String,
}

/// Tells of a port whether a server could listen on it.
pub type IsFree = Box<dyn Fn(u16) -> bool + Send + Sync>;

/// A look at the ports of the machine that an environment lives on.
#[async_trait]
pub trait PortLook: Send + Sync {
    /// Which ports are free right now.
    async fn look(&self) -> PortResult<IsFree>;

    /// Marks ports of another machine for other bots there; those that another one has, and then none is marked.
    async fn reserve(&self, _ports: &[u16]) -> PortResult<Vec<u16>> {
        Ok(Vec::new())
    }
}

/// The bot's own machine.
pub struct OwnPorts;

#[async_trait]
impl PortLook for OwnPorts {
    async fn look(&self) -> PortResult<IsFree> {
        Ok(Box::new(is_unused))
    }
}

/// Ports of a machine, leased in the database.
pub struct LeasedNetworking {
    leases: Arc<dyn PortLeases>,
    ports: Arc<dyn PortLook>,
    /// Marks on the bot's own machine; `None` where the ports are another machine's.
    reservations: Option<Arc<Reservations>>,
    options: NetworkingOptions,
}

impl std::fmt::Debug for LeasedNetworking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeasedNetworking").field("options", &self.options).finish_non_exhaustive()
    }
}

impl LeasedNetworking {
    /// Ports for one environment.
    #[must_use]
    pub fn new(leases: Arc<dyn PortLeases>, reservations: Arc<Reservations>, options: NetworkingOptions) -> Self {
        Self { leases, ports: Arc::new(OwnPorts), reservations: Some(reservations), options }
    }

    /// Ports of another machine.
    #[must_use]
    pub fn on(ports: Arc<dyn PortLook>, leases: Arc<dyn PortLeases>, options: NetworkingOptions) -> Self {
        Self { leases, ports, reservations: None, options }
    }

    /// Marks a port for other bots on the machine; false when another one has it.
    fn reserve(&self, port: u16) -> bool {
        self.reservations.as_ref().is_none_or(|reservations| reservations.take(port))
    }

    async fn choose(&self, environment: &str, names: &[String], fixed: &PortMap) -> PortResult<PortMap> {
        let leased = self.leases.leases(&self.options.host).await?;
        self.check_fixed(&leased, fixed).await?;
        let is_fixed = |port: u16| fixed.values().any(|fixed| *fixed == port);
        let own = leased.iter().filter(|(port, id, name)| {
            // One outside of the block was fixed once. A fixed name is chosen for too, as in the Go tool, so that
            // fixing one port moves no other.
            *id == self.options.environment
                && names.contains(name)
                && !fixed.contains_key(name)
                && port_map::is_in_block(environment, *port)
                && !is_fixed(*port)
        });
        let mut ports: PortMap = own.map(|(port, _, name)| (name.clone(), *port)).collect();
        let missing: Vec<String> = names.iter().filter(|name| !ports.contains_key(*name)).cloned().collect();
        let taken: BTreeMap<u16, EnvironmentId> = leased.iter().map(|(port, id, _)| (*port, *id)).collect();
        for port in ports.values().chain(fixed.values()) {
            // Its own since before a restart; whoever else holds the mark does not change that.
            self.reserve(*port);
        }
        if let Some(reservations) = &self.reservations {
            reservations.keep(|port| taken.contains_key(&port) || is_fixed(port));
        }
        if missing.is_empty() {
            ports.extend(fixed.clone());
            return Ok(ports);
        }
        ports.extend(
            self.choose_free(environment, &missing, |port| !taken.contains_key(&port) && !is_fixed(port)).await?,
        );
        ports.extend(fixed.clone());
        Ok(ports)
    }

    /// Ports that nobody on the machine has, and that no other bot there is going to have.
    async fn choose_free(
        &self,
        environment: &str,
        names: &[String],
        may_be: impl Fn(u16) -> bool,
    ) -> PortResult<PortMap> {
        let is_free_there = self.ports.look().await?;
        let mut others: Vec<u16> = Vec::new();
        loop {
            let mut is_free =
                |port: u16| may_be(port) && !others.contains(&port) && is_free_there(port) && self.reserve(port);
            let chosen = port_map::choose(environment, names, &mut is_free).map_err(|error| {
                let kind = match error {
                    PortMapError::TooManyServices { .. } => ErrorKind::Invalid,
                    PortMapError::NoFreePort { .. } => ErrorKind::Unavailable,
                };
                PortError::new(kind, format!("ports for {environment}: {error}"))
            })?;
            let taken = self.ports.reserve(&chosen.values().copied().collect::<Vec<_>>()).await?;
            if taken.is_empty() {
                return Ok(chosen);
            }
            others.extend(taken);
        }
    }

    /// Refuses fixed ports that another environment holds: nothing but a person's word can change either.
    async fn check_fixed(&self, leased: &[(u16, EnvironmentId, String)], fixed: &PortMap) -> PortResult<()> {
        for (name, port) in fixed {
            let others =
                |(held, id, _): &&(u16, EnvironmentId, _)| held == port && *id != self.options.environment;
            let Some((_, id, _)) = leased.iter().find(others) else { continue };
            let holder = self.leases.holder(*id).await?;
            // The people of one project need not know what others are called.
            let holder = holder.filter(|holder| holder.project.slug.as_str() == self.options.slug);
            let whose = holder.map_or_else(
                || "an environment of another project".to_owned(),
                |holder| format!("environment `{}`", holder.called()),
            );
            let message = format!(
                "port {port}, to which `services.{name}.port` is fixed, belongs to {whose}: destroy that one first, \
                 or leave `port` out, so that each environment gets a port of its own"
            );
            return Err(PortError::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }
}

/// Whether a server could listen on this port of all interfaces right now.
fn is_unused(port: u16) -> bool {
    let can_listen = |address: SocketAddr| match TcpListener::bind(address) {
        Ok(_) => true,
        // A machine without IPv6 has nothing in the way there.
        Err(error) => address.is_ipv6() && error.kind() != IoErrorKind::AddrInUse,
    };
    can_listen((Ipv4Addr::UNSPECIFIED, port).into()) && can_listen((Ipv6Addr::UNSPECIFIED, port).into())
}

#[async_trait]
impl NetworkingPort for LeasedNetworking {
    async fn allocate_ports(&self, environment: &str, names: &[String], fixed: &PortMap) -> PortResult<PortMap> {
        let mut tries = 0;
        loop {
            let ports = self.choose(environment, names, fixed).await?;
            tries += 1;
            match self.leases.lease(&self.options.host, self.options.environment, &ports).await {
                Ok(()) => return Ok(ports),
                Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn service_url(&self, ports: &PortMap, environment: &str, service: &str) -> PortResult<String> {
        let port = ports.get(service).ok_or_else(|| {
            PortError::new(ErrorKind::NotFound, format!("service {service} of {environment} has no port"))
        })?;
        let (port, host) = (port.to_string(), self.options.public_host.get());
        let values = [
            ("host", host.as_str()),
            ("port", &port),
            ("env", environment),
            ("service", service),
            ("slug", &self.options.slug),
        ];
        Ok(fill(&self.options.template, &values))
    }
}

/// Replaces `{name}`s in one pass, so that a value is never read as a placeholder; unknown ones stay.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut url = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let (before, behind) = rest.split_at(start);
        url.push_str(before);
        let found = values.iter().find_map(|(name, value)| {
            Some((value, behind.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?))
        });
        (rest, ()) = match found {
            Some((value, after)) => (after, url.push_str(value)),
            None => (&behind[1..], url.push('{')),
        };
    }
    url + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once() {
        let values = [("host", "{port}"), ("port", "80"), ("env", "pr-1")];
        assert_eq!(fill("http://{env}.{host}:{port}/{x}{", &values), "http://pr-1.{port}:80/{x}{");
    }
}
