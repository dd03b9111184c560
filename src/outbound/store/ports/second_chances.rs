//! Second chances: what was given up and still needs doing is taken up again after a while.

use super::super::database::{Json, query, scalar};
use super::deliveries::assessment;
use super::insert::insert_job;
use super::{Store, commit, failed};
use crate::domain::environment::EnvironmentId;
use crate::domain::error::PortResult;
use crate::domain::event::Event;
use crate::domain::job::{NewJob, Work};

/// Rest between the end of one series of destroys and the next.
const DESTROY_REST_MS: i64 = 24 * 60 * 60 * 1000;

/// Rest between the end of an assessment and the next that nobody asked for.
const ASSESS_REST_MS: i64 = 10 * 60 * 1000;

/// What should not exist but may: `$1` the newest end of a job that is long enough ago.
const LEFT_BEHIND: &str = "SELECT e.id, e.generation FROM environments e \
     WHERE e.project_id NOT IN (SELECT id FROM projects WHERE forge = 'folder') \
       AND e.desired = 'absent' AND (e.entry IS NOT NULL OR e.failure IS NOT NULL) \
       AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.environment_id = e.id AND j.touches \
         AND (j.finished_at IS NULL OR j.finished_at >= $1))";

/// The newest event of each subject that waits for nothing: `$1` as above. A subject over which the bot died too
/// often is left alone, it would only kill it again; the next delivery is looked at all the same.
const NEGLECTED: &str = "SELECT d.event FROM deliveries d \
     WHERE d.outcome IS NULL AND d.event IS NOT NULL AND d.event NOT LIKE '%\"kind\":\"commented\"%' \
       AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.serial_key = 'assess:' || d.subject_key \
         AND j.state IN ('queued', 'waiting', 'running')) \
       AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.finished_at > $1 \
         AND j.serial_key = 'assess:' || d.subject_key) \
       AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.finished_at >= d.received_at AND j.state = 'dead' \
         AND j.serial_key = 'assess:' || d.subject_key) \
       AND NOT EXISTS (SELECT 1 FROM deliveries n WHERE n.subject_key = d.subject_key AND n.outcome IS NULL \
         AND n.arrival > d.arrival AND n.event NOT LIKE '%\"kind\":\"commented\"%' \
         AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.finished_at >= n.received_at AND j.state = 'dead' \
           AND j.serial_key = 'assess:' || n.subject_key)) \
     ORDER BY d.arrival";

impl Store {
    pub(super) async fn revive_destroys(&self) -> PortResult<Vec<EnvironmentId>> {
        let now = self.now();
        let since = now.saturating_sub(DESTROY_REST_MS);
        let left = query(LEFT_BEHIND).bind(since).fetch_all(self.reader());
        let left: Vec<(i64, i64)> = left.await.map_err(failed("look for what was left behind"))?;
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        // Looked for again, now that nobody else can write.
        let left = query(LEFT_BEHIND).bind(since).fetch_all(&mut tx);
        let left: Vec<(i64, i64)> = left.await.map_err(failed("look for what was left behind"))?;
        let mut revived = Vec::with_capacity(left.len());
        for (id, generation) in left {
            let job = NewJob {
                work: Work::Destroy,
                environment: Some(EnvironmentId(id)),
                generation: Some(generation),
                comment: None,
                reason: "an earlier destroy was not completed".to_owned(),
            };
            insert_job(&mut tx, now, &job, "superseded by a newer job").await?;
            revived.push(EnvironmentId(id));
        }
        commit(tx).await?;
        self.tell_all();
        Ok(revived)
    }

    pub(super) async fn assess_neglected(&self) -> PortResult<u64> {
        let now = self.now();
        let neglected = scalar(NEGLECTED).bind(now.saturating_sub(ASSESS_REST_MS)).fetch_all(self.reader());
        let neglected: Vec<Json<Event>> = neglected.await.map_err(failed("look for neglected deliveries"))?;
        if neglected.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let mut count = 0;
        for Json(event) in neglected {
            // Should one wait by now, this only makes it due.
            insert_job(&mut tx, now, &assessment(&event), "").await?;
            count += 1;
        }
        commit(tx).await?;
        self.tell_all();
        Ok(count)
    }
}
