//! Previews that wait because of how many there are: who is there, who is next, and when they are told.

use super::super::database::{query, scalar};
use super::{Tx, failed};
use crate::domain::error::PortResult;
use crate::domain::limits::{Limits, Taken, WAITS_FOR_LIMIT};

/// The order of those that wait for a limit (`$1` the text of their reason): a push, which is a new job, does not lose the
/// place.
macro_rules! in_line {
    () => {
        "jobs w JOIN environments we ON we.id = w.environment_id \
         WHERE w.touches AND w.state IN ('queued', 'waiting') AND w.wait_reason LIKE $1"
    };
}

/// Why this environment has to wait. One that is placed already does not.
pub(super) async fn keeps_back(tx: &mut Tx, environment: i64, limits: Limits) -> PortResult<Option<String>> {
    let (project, created_at, is_placed): (i64, i64, bool) =
        query("SELECT project_id, created_at, host IS NOT NULL FROM environments WHERE id = $1")
            .bind(environment)
            .fetch_one(&mut *tx)
            .await
            .map_err(failed("read where an environment is"))?;
    if is_placed {
        return Ok(None);
    }
    let placed = scalar(
        "SELECT e.project_id FROM environments e JOIN projects p ON p.id = e.project_id \
         WHERE e.host IS NOT NULL AND p.forge <> 'folder'",
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(failed("count the environments that are placed"))?;
    let ahead = scalar(concat!(
        "SELECT we.project_id FROM ",
        in_line!(),
        " AND we.host IS NULL AND (we.created_at, we.id) < ($2, $3) ORDER BY we.created_at, we.id"
    ))
    .bind(WAITS_FOR_LIMIT)
    .bind(created_at)
    .bind(environment)
    .fetch_all(&mut *tx)
    .await
    .map_err(failed("look who waits longer"))?;
    Ok(limits.keeps_back(project, &Taken { placed, ahead }))
}

/// Lets the first in line of each project look again at once.
pub(super) async fn wake_next(tx: &mut Tx, now: i64) -> PortResult<()> {
    query(concat!(
        "UPDATE jobs SET run_at = $2 WHERE touches AND state IN ('queued', 'waiting') AND wait_reason LIKE $1 \
         AND run_at > $2 AND environment_id IN (SELECT e.id FROM environments e WHERE NOT EXISTS (SELECT 1 FROM ",
        in_line!(),
        " AND we.project_id = e.project_id AND (we.created_at, we.id) < (e.created_at, e.id)))"
    ))
    .bind(WAITS_FOR_LIMIT)
    .bind(now)
    .execute(&mut *tx)
    .await
    .map(drop)
    .map_err(failed("wake who is next"))
}

/// The place of an environment among all that wait for a limit, and how many these are; `None` when it does not.
pub(super) async fn place_in_line(tx: &mut Tx, environment: i64) -> PortResult<Option<(i64, i64)>> {
    let line: Vec<i64> = scalar(concat!("SELECT we.id FROM ", in_line!(), " ORDER BY we.created_at, we.id"))
        .bind(WAITS_FOR_LIMIT)
        .fetch_all(&mut *tx)
        .await
        .map_err(failed("read who waits for a limit"))?;
    let length = i64::try_from(line.len()).unwrap_or(i64::MAX);
    let before = line.iter().position(|waiting| *waiting == environment);
    Ok(before.map(|before| (i64::try_from(before).unwrap_or(i64::MAX).saturating_add(1), length)))
}
