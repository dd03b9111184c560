//! The hosts of the settings: which there are, how they are, which environment goes where.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::domain::disk::{DiskRoom, usual_floor};
use crate::domain::environment::Environment;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::host::{HostState, NoHost, VmInfo, VmSpec, choose_again, is_sandbox};
use crate::domain::job::Claim;
use crate::domain::limits::Limits;
use crate::domain::ports::{HostFigures, HostRecord, Hosts, Placed, Placing};
use crate::outbound::ssh::{Look, SshHost, SshOptions};
use crate::settings::{Host, Settings};
use crate::worker::watcher::Watched;
use crate::worker::workshop::Place;

/// How often a place is chosen anew when others were quicker.
const TRIES: u32 = 5;
/// How long a host may take to answer whether it was its fault that work failed.
const LOOK: Duration = Duration::from_secs(10);
/// How long Docker's word about its folder and its networks counts: it takes a moment to answer.
const DOCKER_AGE: Duration = Duration::from_secs(10);
/// The same of the kernel's word about the rules: it takes a container to ask. Rules that do not hold are asked for
/// sooner: somebody may have set them again.
const RULES_AGE: Duration = Duration::from_mins(1);
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
    /// Bytes of its disk that the settings want to stay free; `None`: by its size.
    disk_floor: Option<u64>,
    seen: Mutex<Seen>,
}

/// What the looks of this process found.
#[derive(Debug, Clone, Default)]
struct Seen {
    figures: HostFigures,
    /// Docker's folder, and when Docker was last asked.
    docker: Option<(String, Instant)>,
    /// Whether the rules that keep previews in hold, and when the kernel was last asked.
    rules: Option<(bool, Instant)>,
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
        let host = |host: &Host| PoolHost {
            ssh: Arc::new(SshHost::new(ssh_options(host))),
            disk_floor: settings.set_disk_floor(host),
            settings: host.clone(),
            seen: Mutex::default(),
        };
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
                disk_floor: host.disk_floor(),
                networks_free: host.seen().figures.networks_free,
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
        let before = self.seen();
        let docker = before.docker.filter(|(_, asked)| asked.elapsed() < DOCKER_AGE);
        let is_known = before.rules.is_some_and(|(hold, asked)| hold && asked.elapsed() < RULES_AGE);
        let root = self.root();
        let look = Look {
            root: &root.to_string_lossy(),
            docker_root: docker.as_ref().map(|(root, _)| root.as_str()),
            rules: is_sandbox(&self.settings.labels) && !is_known,
        };
        let told = self.ssh.figures(look).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut figures = told.figures;
        match docker {
            Some(_) => figures.networks_free = seen.figures.networks_free,
            None => seen.docker = told.docker_root.map(|root| (root, Instant::now())),
        }
        if let Some(hold) = told.rules_hold {
            seen.rules = Some((hold, Instant::now()));
        }
        figures.confined &= seen.rules.is_none_or(|(hold, _)| hold);
        seen.figures = figures.clone();
        Ok(figures)
    }
}

impl PoolHost {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn disk_floor(&self) -> u64 {
        self.disk_floor.unwrap_or_else(|| usual_floor(self.seen().figures.disk_size))
    }

    /// How its disk was when this process last looked.
    pub(super) fn disk_room(&self) -> Option<DiskRoom> {
        Some(DiskRoom { free: self.seen().figures.disk_free?, floor: self.disk_floor() })
    }

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
