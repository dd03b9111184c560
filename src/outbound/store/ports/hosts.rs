//! What is known of hosts, and which environment is on which.

use async_trait::async_trait;
use sqlx::FromRow;

use super::super::database::query;
use super::environments::claimed_environment;
use super::{Store, check_claim, commit, failed, limits};
use crate::domain::error::PortResult;
use crate::domain::job::Claim;
use crate::domain::ports::{HostFigures, HostRecord, Hosts, Placed, Placing};

#[derive(FromRow)]
struct HostRow {
    name: String,
    draining: bool,
    checked_at: Option<i64>,
    trouble: Option<String>,
    down_since: Option<i64>,
    disk_free: Option<i64>,
    memory_free: Option<i64>,
    confined: bool,
    environments: i64,
}

impl From<HostRow> for HostRecord {
    fn from(row: HostRow) -> Self {
        let bytes = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        Self {
            name: row.name,
            draining: row.draining,
            checked_at: row.checked_at,
            trouble: row.trouble,
            down_since: row.down_since,
            figures: HostFigures {
                disk_free: bytes(row.disk_free),
                memory_free: bytes(row.memory_free),
                confined: row.confined,
                ..HostFigures::default()
            },
            environments: u32::try_from(row.environments).unwrap_or(u32::MAX),
        }
    }
}

#[async_trait]
impl Hosts for Store {
    async fn records(&self) -> PortResult<Vec<HostRecord>> {
        let rows: Vec<HostRow> = query(
            "SELECT n.name, coalesce(h.draining, false) AS draining, h.checked_at, h.trouble, h.down_since, \
             h.disk_free, h.memory_free, coalesce(h.confined, false) AS confined, \
             (SELECT count(*) FROM environments e WHERE e.host = n.name) AS environments \
             FROM (SELECT name FROM hosts UNION SELECT host FROM environments WHERE host IS NOT NULL) n \
             LEFT JOIN hosts h ON h.name = n.name ORDER BY n.name",
        )
        .fetch_all(self.reader())
        .await
        .map_err(failed("list hosts"))?;
        Ok(rows.into_iter().map(HostRecord::from).collect())
    }

    async fn checked(&self, name: &str, found: Result<HostFigures, String>) -> PortResult<()> {
        let trouble = found.as_ref().err().cloned();
        let confined = found.as_ref().ok().map(|figures| figures.confined);
        let figures = found.unwrap_or_default();
        let now = self.now();
        let bytes = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
        let mut tx = self.begin().await?;
        // Figures of a host that does not answer now are those of its last answer.
        query(
            "INSERT INTO hosts (name, checked_at, trouble, down_since, disk_free, memory_free, confined) \
             VALUES ($1, $2, $3, CASE WHEN $3 IS NOT NULL THEN $2 END, $4, $5, coalesce($6, false)) \
             ON CONFLICT (name) DO UPDATE SET checked_at = excluded.checked_at, trouble = excluded.trouble, \
             down_since = CASE WHEN $3 IS NOT NULL THEN coalesce(hosts.down_since, $2) END, \
             disk_free = coalesce(excluded.disk_free, hosts.disk_free), \
             memory_free = coalesce(excluded.memory_free, hosts.memory_free), \
             confined = coalesce($6, hosts.confined)",
        )
        .bind(name)
        .bind(now)
        .bind(trouble)
        .bind(bytes(figures.disk_free))
        .bind(bytes(figures.memory_free))
        .bind(confined)
        .execute(&mut tx)
        .await
        .map_err(failed("record a look at a host"))?;
        commit(tx).await
    }

    async fn drain(&self, name: &str, draining: bool) -> PortResult<()> {
        let mut tx = self.begin().await?;
        query(
            "INSERT INTO hosts (name, draining) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET draining = excluded.draining",
        )
        .bind(name)
        .bind(draining)
        .execute(&mut tx)
        .await
        .map_err(failed("record that a host is drained"))?;
        commit(tx).await?;
        self.tell_all();
        Ok(())
    }

    async fn place(&self, claim: &Claim, placing: &Placing<'_>) -> PortResult<Placed> {
        let now = self.now();
        let mut tx = self.begin().await?;
        check_claim(&mut tx, claim).await?;
        let id = claimed_environment(claim)?.0;
        if let Some(limits) = placing.limits
            && let Some(why) = limits::keeps_back(&mut tx, id, limits).await?
        {
            return Ok(Placed::Waits(why));
        }
        let placed = query(
            "UPDATE environments SET host = $1, life_trust = coalesce(life_trust, $5), \
             revision = revision + 1, updated_at = $2 WHERE id = $3 \
             AND (host = $1 OR (SELECT count(*) FROM environments o WHERE o.host = $1) < $4)",
        )
        .bind(placing.host)
        .bind(now)
        .bind(id)
        .bind(placing.capacity.map_or(i64::MAX, i64::from))
        .bind(placing.trust.as_str())
        .execute(&mut tx)
        .await
        .map_err(failed("place an environment"))?;
        // There may be room for more than one.
        limits::wake_next(&mut tx, now).await?;
        commit(tx).await?;
        self.tell_queue();
        Ok(if placed > 0 { Placed::There } else { Placed::HostIsFull })
    }
}
