//! The disks of the pool's hosts, as the guard of disks wants to know of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::pool::PoolHost;
use crate::domain::disk::{DiskRoom, DiskTerms, DiskUse};
use crate::domain::environment::{Environment, LifeId};
use crate::domain::error::PortResult;
use crate::outbound::ssh::Occupant;
use crate::outbound::supervisor::life_folder;
use crate::settings::Settings;
use crate::worker::disk_guard::Guarded;
use crate::worker::watcher::Watched;

/// One host, with what the settings say of those on it.
pub(crate) struct Guarding {
    /// The host.
    pub(crate) host: Arc<PoolHost>,
    /// The settings.
    pub(crate) settings: Arc<Settings>,
}

#[async_trait]
impl Guarded for Guarding {
    fn name(&self) -> &str {
        &self.host.settings.name
    }

    fn room(&self) -> Option<DiskRoom> {
        self.host.disk_room()
    }

    async fn look(&self) -> PortResult<Option<DiskRoom>> {
        Watched::look(&*self.host).await?;
        Ok(self.host.disk_room())
    }

    fn terms(&self, environment: &Environment) -> DiskTerms {
        self.settings.disk_terms(&environment.project.repository, environment.trust_in_force())
    }

    async fn measure(&self, environments: &[Environment]) -> PortResult<BTreeMap<LifeId, DiskUse>> {
        let occupant = |environment: &Environment| Occupant {
            life: environment.life,
            checkout: self.host.checkout(environment).to_string_lossy().into_owned(),
            folder: life_folder(&self.host.root(), environment.life).to_string_lossy().into_owned(),
        };
        let occupants: Vec<Occupant> = environments.iter().map(occupant).collect();
        self.host.ssh.usage(&occupants).await
    }
}
