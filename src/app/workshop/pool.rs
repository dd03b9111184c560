//! The hosts of the settings: which there are, how they are, which environment goes where.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::environment::Environment;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::host::{HostState, NoHost, VmInfo, VmSpec, choose_again};
use crate::domain::job::Claim;
use crate::domain::limits::Limits;
use crate::domain::ports::{HostFigures, HostRecord, Hosts, Placed, Placing};
use crate::outbound::ssh::{SshHost, SshOptions};
use crate::settings::{Host, Settings};
use crate::worker::watcher::Watched;
use crate::worker::workshop::Place;

/// How often a place is chosen anew when others were quicker.
const TRIES: u32 = 5;
/// How long a host may take to answer whether it was its fault that work failed.
const LOOK: Duration = Duration::from_secs(10);
/// A disk with fewer free bytes is full.
const FULL: u64 = 16 * 1024 * 1024;

/// How a host of the settings is reached.
pub(crate) fn ssh_options(host: &Host) -> SshOptions {
    SshOptions {
        name: host.name.clone(),
        address: host.address.clone(),
        port: host.port,
        user: host.user.clone(),
        identity_file: host.identity_file.clone(),
        known_hosts_file: host.known_hosts_file.clone(),
        host_key: None,
        is_made: false,
        proxy_command: None,
    }
}

/// One host of the pool.
pub(crate) struct PoolHost {
    /// What the settings say of it.
    pub(crate) settings: Host,
    /// The way to it.
    pub(crate) ssh: Arc<SshHost>,
}

/// All hosts of the settings.
pub(crate) struct Pool {
    hosts: Vec<Arc<PoolHost>>,
    records: Arc<dyn Hosts>,
    limits: Limits,
}

impl Pool {
    /// The pool of these settings; nobody connects yet.
    #[must_use]
    pub(crate) fn new(settings: &Settings, records: Arc<dyn Hosts>) -> Self {
        let host =
            |host: &Host| PoolHost { ssh: Arc::new(SshHost::new(ssh_options(host))), settings: host.clone() };
        let hosts = settings.hosts.iter().map(host).map(Arc::new).collect();
        Self { hosts, records, limits: settings.limits.previews() }
    }

    /// All of them, in the order of the settings.
    #[must_use]
    pub(crate) fn hosts(&self) -> &[Arc<PoolHost>] {
        &self.hosts
    }

    /// One of them.
    ///
    /// # Errors
    /// `Invalid` when the settings have no such host.
    pub(crate) fn get(&self, name: &str) -> PortResult<&PoolHost> {
        let found = self.hosts.iter().find(|host| host.settings.name == name);
        found.map(|host| &**host).ok_or_else(|| {
            let message = format!("host {name} is not in the settings any more: add its [[hosts]] entry again");
            PortError::new(ErrorKind::Invalid, message)
        })
    }

    /// What each host is, with what is known of it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn infos(&self) -> PortResult<Vec<(VmInfo, HostRecord)>> {
        let records = self.records.records().await?;
        let info = |host: &Arc<PoolHost>| {
            let name = &host.settings.name;
            let record = records.iter().find(|record| record.name == *name).cloned().unwrap_or_default();
            let state = match &record.trouble {
                Some(why) => HostState::Down(why.clone()),
                None if record.draining => HostState::Draining,
                None => HostState::Ready,
            };
            let info = VmInfo {
                name: name.clone(),
                labels: host.settings.labels.clone(),
                capacity: host.settings.capacity,
                environments: record.environments,
                state,
                disk_free: record.figures.disk_free,
                memory_free: record.figures.memory_free,
                confined: record.figures.confined,
            };
            (info, record)
        };
        Ok(self.hosts.iter().map(info).collect())
    }

    /// Places an environment; one that was placed before, by a deploy that made nothing, stays where it can.
    pub(super) async fn place(
        &self,
        claim: &Claim,
        environment: &Environment,
        spec: &VmSpec,
    ) -> PortResult<Place> {
        let (before, trust) = (environment.host.as_deref(), environment.trust_in_force());
        for _ in 0..TRIES {
            let infos: Vec<VmInfo> = self.infos().await?.into_iter().map(|(info, _)| info).collect();
            let host = match choose_again(&infos, spec, before) {
                Ok(host) => host,
                Err(NoHost::NoRoom(reasons)) => return Ok(Place::Full(NoHost::NoRoom(reasons).to_string())),
                Err(error) => return Err(PortError::new(ErrorKind::Invalid, error.to_string())),
            };
            let placing = Placing { host: &host.name, trust, capacity: host.capacity, limits: Some(self.limits) };
            match self.records.place(claim, &placing).await? {
                Placed::There => return Ok(Place::On(host.name.clone())),
                Placed::Waits(why) => return Ok(Place::Waits(why)),
                Placed::HostIsFull => {}
            }
        }
        Ok(Place::Full("no host has room: others were quicker".to_owned()))
    }
}

impl Pool {
    /// What keeps work on this host from beginning, as far as is known.
    pub(super) async fn obstacle(&self, host: &PoolHost) -> PortResult<Option<String>> {
        let records = self.records.records().await?;
        let record = records.into_iter().find(|record| record.name == host.settings.name);
        Ok(record.and_then(|record| record.trouble).map(|_| host.is_away()))
    }

    /// The same by a look at the host itself, which is recorded where it does not answer.
    pub(super) async fn look(&self, host: &PoolHost) -> PortResult<Option<String>> {
        let why = match tokio::time::timeout(LOOK, Watched::look(host)).await {
            // Trying again does not help until somebody has made room, which may take longer than all tries.
            Ok(Ok(figures)) if figures.disk_free.is_some_and(|free| free < FULL) => {
                let name = &host.settings.name;
                return Ok(Some(format!("host {name}: its disk is full: it goes on once there is room")));
            }
            Ok(Ok(_)) => return Ok(None),
            Ok(Err(error)) => error.chain(),
            Err(_) => format!("it did not answer within {LOOK:?}"),
        };
        self.records.checked(&host.settings.name, Err(why)).await?;
        Ok(Some(host.is_away()))
    }
}

#[async_trait]
impl Watched for PoolHost {
    fn name(&self) -> &str {
        &self.settings.name
    }

    async fn look(&self) -> PortResult<HostFigures> {
        self.ssh.figures(&self.root().to_string_lossy()).await
    }
}

impl PoolHost {
    fn is_away(&self) -> String {
        format!("host {}, which the preview is on, is down: it goes on once the host answers", self.settings.name)
    }

    /// Folder above all environments of the host.
    pub(super) fn root(&self) -> PathBuf {
        self.settings.root()
    }

    /// The project's repository on the host.
    pub(super) fn repository(&self, environment: &Environment) -> PathBuf {
        self.project(environment).join("repo.git")
    }

    /// The environment's folder.
    pub(super) fn checkout(&self, environment: &Environment) -> PathBuf {
        self.project(environment).join(environment.name.as_str())
    }

    fn project(&self, environment: &Environment) -> PathBuf {
        self.root().join(environment.project.slug.as_str())
    }
}
