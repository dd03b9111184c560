//! SQL text, which both databases take as it is: `$n` placeholders, `ON CONFLICT`, `RETURNING`, partial indexes.
//! Only statements that more than one file uses, or that carry a rule of the queue, stand here.

/// Reads environments with their project; the rest of the statement follows.
macro_rules! select_environment {
    ($rest:literal) => {
        concat!(
            "SELECT e.*, p.slug, p.forge, p.repository_id, p.repository_name, p.installation ",
            "FROM environments e JOIN projects p ON p.id = e.project_id ",
            $rest
        )
    };
}

/// Reads projects; the rest of the statement follows.
macro_rules! select_project {
    ($rest:literal) => {
        concat!(
            "SELECT id AS project_id, slug, forge, repository_id, repository_name, installation FROM projects ",
            $rest
        )
    };
}

/// Reads jobs with the names that people know them by; the rest of the statement follows.
macro_rules! select_job {
    ($rest:literal) => {
        concat!(
            "SELECT j.id, j.payload, p.slug AS project, j.environment_id, e.name AS environment, j.state, j.attempt, ",
            "j.max_attempts, j.crashes, j.generation, j.comment, j.reason, j.wait_reason, j.cancel_reason, ",
            "j.created_at, j.run_at, j.started_at, j.finished_at, j.kind, j.converges, j.touches, j.priority, ",
            "j.serial_key, j.owner, j.claims FROM jobs j LEFT JOIN environments e ON e.id = j.environment_id ",
            "LEFT JOIN projects p ON p.id = j.project_id ",
            $rest
        )
    };
}

/// Raises an environment's report revision; `$1` is now. "News since" is when it first differed from what is shown.
macro_rules! raise_report {
    () => {
        "news_since = CASE WHEN report_revision > shown_revision THEN news_since ELSE $1 END, \
         report_revision = report_revision + 1 "
    };
}

pub(super) use {select_environment, select_job, select_project};

/// `$1` now, `$2` environment.
pub(super) const TOUCH_REPORT: &str = concat!("UPDATE environments SET ", raise_report!(), "WHERE id = $2");

pub(super) const ENVIRONMENT_BY_ID: &str = select_environment!("WHERE e.id = $1");

pub(super) const JOB_BY_ID: &str = select_job!("WHERE j.id = $1");

/// Whether a claim still holds: `$1` job, `$2` owner, `$3` attempt, `$4` epoch.
pub(super) const FENCE: &str = "SELECT j.id FROM jobs j LEFT JOIN environments e ON e.id = j.environment_id \
     WHERE j.id = $1 AND j.state = 'running' AND j.owner = $2 AND j.attempt = $3 AND (NOT j.touches OR e.epoch = $4)";

/// Jobs that may be claimed: `$1` now, `$2` newest payload version known, `$3` room for jobs that touch an
/// environment, `$4` room for quick ones. A job waits behind every older open job of its serial key, also behind one
/// that is not due yet.
macro_rules! claimable {
    () => {
        "SELECT j.id FROM jobs j WHERE j.state IN ('queued', 'waiting') AND j.run_at <= $1 \
           AND j.payload_version <= $2 AND (($3 AND j.touches) OR ($4 AND NOT j.touches)) \
           AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.serial_key = j.serial_key \
             AND o.state IN ('queued', 'waiting', 'running') AND (o.state = 'running' OR o.id < j.id)) \
         ORDER BY j.priority DESC, j.run_at, j.id LIMIT 1"
    };
}

/// Environment jobs that are due and held back by nothing but slots: `$1` now. (The states are named twice so that
/// the partial index serves.)
macro_rules! wants_slot {
    () => {
        "state IN ('queued', 'waiting') AND state = 'queued' AND touches AND run_at <= $1 \
         AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.serial_key = jobs.serial_key AND o.state = 'running')"
    };
}

/// Jobs of a shape that a later version made: `$2` newest payload version known.
macro_rules! wants_version {
    () => {
        "state IN ('queued', 'waiting') AND state = 'queued' AND payload_version > $2"
    };
}

/// Whether a claim would find or mark anything; numbers as in [`CLAIM`].
pub(super) const CLAIM_HAS_WORK: &str = concat!(
    "SELECT EXISTS (",
    claimable!(),
    ") OR (NOT $3 AND EXISTS (SELECT 1 FROM jobs WHERE ",
    wants_slot!(),
    ")) OR EXISTS (SELECT 1 FROM jobs WHERE ",
    wants_version!(),
    ")"
);

/// The claim. `$1` now, `$2` newest payload version known, `$3` room for jobs that touch an environment, `$4` room
/// for quick ones, `$5` owner, `$6` end of the lease.
pub(super) const CLAIM: &str = concat!(
    "UPDATE jobs SET state = 'running', wait_reason = NULL, owner = $5 || '#' || (claims + 1), lease_until = $6, \
     attempt = attempt + 1, claims = claims + 1, started_at = $1 WHERE id = (",
    claimable!(),
    ") RETURNING id"
);

/// Says of jobs that they wait for a slot: `$1` now, `$2` why.
pub(super) const WAIT_FOR_SLOT: &str =
    concat!("UPDATE jobs SET state = 'waiting', wait_reason = $2 WHERE ", wants_slot!());

/// Says of jobs that they wait for a later version: `$1` why, `$2` newest payload version known.
pub(super) const WAIT_FOR_VERSION: &str =
    concat!("UPDATE jobs SET state = 'waiting', wait_reason = $1 WHERE ", wants_version!());

/// Ends a job: `$1` state, `$2` reason, `$3` now, `$4` id.
pub(super) const END_JOB: &str = "UPDATE jobs SET state = $1, reason = $2, finished_at = $3, wait_reason = NULL, \
     owner = NULL, lease_until = NULL WHERE id = $4";

/// Puts a job back: `$1` when it may run, `$2` attempt, `$3` crashes, `$4` reason or NULL to keep it, `$5` id.
pub(super) const REQUEUE_JOB: &str = "UPDATE jobs SET state = 'queued', run_at = $1, attempt = $2, crashes = $3, \
     reason = coalesce($4, reason), wait_reason = NULL, owner = NULL, lease_until = NULL WHERE id = $5";

/// A new job. Assessments coalesce: the one that waits already becomes due and starts counting anew.
pub(super) const INSERT_JOB: &str = "INSERT INTO jobs (kind, payload, payload_version, project_id, environment_id, \
     serial_key, converges, touches, priority, state, max_attempts, generation, comment, reason, created_at, run_at) \
     VALUES ($1, $2, $3, coalesce((SELECT project_id FROM environments WHERE id = $4), \
       (SELECT id FROM projects WHERE forge = $5 AND repository_id = $6)), \
     $4, $7, $8, $9, $10, 'queued', $11, $12, $13, $14, $15, $15) \
     ON CONFLICT (serial_key) WHERE kind = 'assess' AND state IN ('queued', 'waiting') \
     DO UPDATE SET run_at = excluded.run_at, attempt = 0 \
     RETURNING id";

/// What waits and is made needless by a new converging job of its environment: the converging job, whether or not it
/// was tried before, and, where `$2` (a destroy comes), resets. `$1` environment.
pub(super) const REPLACEABLE: &str = "SELECT id FROM jobs WHERE environment_id = $1 \
     AND state IN ('queued', 'waiting') AND (converges OR ($2 AND kind = 'reset'))";

/// Everything before a job in the order of claims, and everything that waits: `$1` priority, `$2` due, `$3` id.
pub(super) const QUEUE_POSITION: &str = "SELECT coalesce(sum(CASE WHEN priority > $1 \
       OR (priority = $1 AND (run_at, id) <= ($2, $3)) THEN 1 ELSE 0 END), 0), count(*) \
     FROM jobs WHERE touches AND state IN ('queued', 'waiting')";

/// What people see as an environment's job: the newest open one, else the newest. One that only looks is none.
pub(super) const SHOWN_JOB: &str = select_job!(
    "WHERE j.environment_id = $1 AND j.touches AND j.kind <> 'logs' \
     ORDER BY (j.state IN ('queued', 'waiting', 'running')) DESC, j.id DESC LIMIT 1"
);

pub(super) const INSERT_DELIVERY: &str = "INSERT INTO deliveries (id, forge, event_name, action, received_at, event, \
     subject_key, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";

pub(super) const INSERT_DECISION: &str = "INSERT INTO decisions (delivery_id, project_id, number, environment_id, \
     trigger_label, decision, decided_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
