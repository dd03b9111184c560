//! Leases on TCP ports: a port of a host belongs to one environment at most.

use async_trait::async_trait;

use super::super::database::query;
use super::environments::claimed_environment;
use super::{Store, Tx, check_claim, commit, failed};
use crate::domain::environment::{Environment, EnvironmentId};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::job::Claim;
use crate::domain::port_map::PortMap;
use crate::domain::ports::{Environments, PortLeases};

/// Port leases as one job may see and change them: all hosts' to see, its own environment's to change.
pub struct StoredLeases {
    store: Store,
    claim: Claim,
}

impl StoredLeases {
    /// Leases that are written under this claim.
    #[must_use]
    pub const fn new(store: Store, claim: Claim) -> Self {
        Self { store, claim }
    }

    /// Refuses a worker whose claim is gone, and every other environment.
    async fn check(&self, tx: &mut Tx, environment: EnvironmentId) -> PortResult<()> {
        check_claim(tx, &self.claim).await?;
        if claimed_environment(&self.claim)? == environment {
            return Ok(());
        }
        let message = format!("job {} may not change the ports of another environment", self.claim.job);
        Err(PortError::new(ErrorKind::Invalid, message))
    }
}

#[async_trait]
impl PortLeases for StoredLeases {
    async fn leases(&self, host: &str) -> PortResult<Vec<(u16, EnvironmentId, String)>> {
        let rows: Vec<(i64, i64, String)> =
            query("SELECT port, environment_id, service FROM port_leases WHERE host = $1 ORDER BY port")
                .bind(host)
                .fetch_all(self.store.reader())
                .await
                .map_err(failed("read port leases"))?;
        // A CHECK keeps ports in their range.
        let port = |port: i64| u16::try_from(port).unwrap_or_default();
        Ok(rows.into_iter().map(|(number, id, service)| (port(number), EnvironmentId(id), service)).collect())
    }

    async fn holder(&self, environment: EnvironmentId) -> PortResult<Option<Environment>> {
        Environments::get(&self.store, environment).await
    }

    async fn lease(&self, host: &str, environment: EnvironmentId, ports: &PortMap) -> PortResult<()> {
        let mut tx = self.store.begin().await?;
        self.check(&mut tx, environment).await?;
        query("DELETE FROM port_leases WHERE host = $1 AND environment_id = $2")
            .bind(host)
            .bind(environment.0)
            .execute(&mut tx)
            .await
            .map_err(failed("give ports back"))?;
        for (service, port) in ports {
            lease_one(&mut tx, self.store.now(), (host, *port), environment, service).await?;
        }
        commit(tx).await
    }

    async fn release(&self, environment: EnvironmentId) -> PortResult<()> {
        let mut tx = self.store.begin().await?;
        self.check(&mut tx, environment).await?;
        query("DELETE FROM port_leases WHERE environment_id = $1")
            .bind(environment.0)
            .execute(&mut tx)
            .await
            .map_err(failed("give ports back"))?;
        commit(tx).await
    }
}

async fn lease_one(
    tx: &mut Tx,
    now: i64,
    (host, port): (&str, u16),
    environment: EnvironmentId,
    service: &str,
) -> PortResult<()> {
    query("INSERT INTO port_leases (host, port, environment_id, service, leased_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(host)
        .bind(port)
        .bind(environment.0)
        .bind(service)
        .bind(now)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(|error| {
            let error = failed("lease a port")(error);
            if error.kind() != ErrorKind::Conflict {
                return error;
            }
            let message = format!("port {port} of host {host}, wanted for `{service}`, is leased already");
            PortError::with_source(ErrorKind::Conflict, message, error)
        })
}
