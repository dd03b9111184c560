-- The bot's tables. Times are milliseconds since the epoch; the rules of the queue are kept by the indexes and
-- CHECKs below, not by care. Words in CHECKs are those of the domain's `as_str`.

CREATE TABLE meta (
    item_key TEXT NOT NULL PRIMARY KEY,
    value    TEXT NOT NULL
) STRICT;

CREATE TABLE projects (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    slug            TEXT    NOT NULL UNIQUE,
    forge           TEXT    NOT NULL,
    repository_id   INTEGER NOT NULL,
    repository_name TEXT    NOT NULL,
    installation    INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (forge, repository_id)
) STRICT;

CREATE TABLE environments (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id         INTEGER NOT NULL REFERENCES projects (id),
    name               TEXT    NOT NULL,
    number             INTEGER NOT NULL,
    life               TEXT    NOT NULL,
    last_life          TEXT,
    change_snapshot    TEXT,
    desired            TEXT    NOT NULL CHECK (desired IN ('running', 'stopped', 'absent')),
    desired_commit     TEXT,
    cause              TEXT    NOT NULL,
    actor              TEXT,
    sticky             INTEGER NOT NULL DEFAULT 0 CHECK (sticky IN (0, 1)),
    reason             TEXT    NOT NULL,
    generation         INTEGER NOT NULL DEFAULT 0,
    epoch              INTEGER NOT NULL DEFAULT 0,
    revision           INTEGER NOT NULL DEFAULT 1,
    push_cancellations INTEGER NOT NULL DEFAULT 0,
    entry              TEXT,
    published          TEXT,
    failure            TEXT,
    urls               TEXT    NOT NULL DEFAULT '[]',
    seeded_at          INTEGER,
    reset_at           INTEGER,
    deploy_ms          INTEGER,
    expires_at         INTEGER,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    destroyed_at       INTEGER,
    host               TEXT,
    report_revision    INTEGER NOT NULL DEFAULT 0,
    shown_revision     INTEGER NOT NULL DEFAULT 0,
    report_not_before  INTEGER NOT NULL DEFAULT 0,
    news_since         INTEGER NOT NULL DEFAULT 0,
    report_error       TEXT,
    UNIQUE (project_id, name),
    UNIQUE (project_id, number),
    CHECK ((desired = 'running') = (desired_commit IS NOT NULL))
) STRICT;

CREATE INDEX environments_with_news ON environments (report_not_before) WHERE report_revision > shown_revision;

CREATE TABLE jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT    NOT NULL,
    payload         TEXT    NOT NULL,
    payload_version INTEGER NOT NULL,
    project_id      INTEGER REFERENCES projects (id),
    environment_id  INTEGER REFERENCES environments (id),
    serial_key      TEXT,
    converges       INTEGER NOT NULL CHECK (converges IN (0, 1)),
    touches         INTEGER NOT NULL CHECK (touches IN (0, 1)),
    priority        INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('queued', 'waiting', 'running', 'succeeded', 'failed',
                                                      'cancelled', 'superseded', 'dead')),
    attempt         INTEGER NOT NULL DEFAULT 0,
    max_attempts    INTEGER NOT NULL,
    crashes         INTEGER NOT NULL DEFAULT 0,
    claims          INTEGER NOT NULL DEFAULT 0,
    generation      INTEGER,
    spared          INTEGER NOT NULL DEFAULT 0 CHECK (spared IN (0, 1)),
    comment         INTEGER,
    reason          TEXT    NOT NULL,
    wait_reason     TEXT,
    cancel_reason   TEXT,
    superseded_by   INTEGER REFERENCES jobs (id) ON DELETE SET NULL,
    owner           TEXT,
    lease_until     INTEGER,
    created_at      INTEGER NOT NULL,
    run_at          INTEGER NOT NULL,
    started_at      INTEGER,
    finished_at     INTEGER,
    CHECK ((state IN ('succeeded', 'failed', 'cancelled', 'superseded', 'dead')) = (finished_at IS NOT NULL)),
    CHECK ((state = 'running') = (owner IS NOT NULL)),
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state = 'waiting') = (wait_reason IS NOT NULL)),
    CHECK (NOT touches OR environment_id IS NOT NULL)
) STRICT;

-- One running job per serial key: of an environment, or of the assessments of one subject.
CREATE UNIQUE INDEX jobs_one_running ON jobs (serial_key) WHERE state = 'running';

-- At most one "make it what is desired" waits per environment: the newest decision's.
CREATE UNIQUE INDEX jobs_one_converging ON jobs (environment_id) WHERE converges AND state IN ('queued', 'waiting');

-- Assessments of one subject coalesce.
CREATE UNIQUE INDEX jobs_one_assessment ON jobs (serial_key) WHERE kind = 'assess' AND state IN ('queued', 'waiting');

CREATE INDEX jobs_ready ON jobs (priority DESC, run_at, id) WHERE state IN ('queued', 'waiting');
CREATE INDEX jobs_due ON jobs (run_at) WHERE state IN ('queued', 'waiting');
CREATE INDEX jobs_open ON jobs (serial_key, id) WHERE state IN ('queued', 'waiting', 'running');
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_of_environment ON jobs (environment_id, id);
CREATE INDEX jobs_superseded_by ON jobs (superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE job_steps (
    job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    ordinal     INTEGER NOT NULL,
    step        TEXT    NOT NULL,
    claim       INTEGER NOT NULL,
    status      TEXT,
    started_at  INTEGER,
    finished_at INTEGER,
    duration_ms INTEGER,
    message     TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, step)
) STRICT;

CREATE TABLE deliveries (
    arrival     INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    forge       TEXT    NOT NULL,
    event_name  TEXT    NOT NULL,
    action      TEXT,
    received_at INTEGER NOT NULL,
    event       TEXT,
    subject_key TEXT,
    outcome     TEXT
) STRICT;

CREATE INDEX deliveries_pending ON deliveries (subject_key, arrival) WHERE outcome IS NULL;
CREATE INDEX deliveries_received ON deliveries (received_at);

CREATE TABLE delivery_bodies (
    delivery_id TEXT NOT NULL PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
    body        BLOB NOT NULL
) STRICT;

CREATE TABLE decisions (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id    TEXT,
    project_id     INTEGER NOT NULL REFERENCES projects (id),
    number         INTEGER NOT NULL,
    environment_id INTEGER REFERENCES environments (id),
    trigger_label  TEXT    NOT NULL,
    decision       TEXT    NOT NULL,
    decided_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX decisions_of_delivery ON decisions (delivery_id);
CREATE INDEX decisions_of_change ON decisions (project_id, number, id);

CREATE TABLE posted (
    environment_id INTEGER NOT NULL REFERENCES environments (id),
    kind           TEXT    NOT NULL,
    item_key       TEXT    NOT NULL,
    forge_id       INTEGER,
    hash           TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, kind, item_key)
) STRICT;

CREATE TABLE port_leases (
    host           TEXT    NOT NULL,
    port           INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    environment_id INTEGER NOT NULL REFERENCES environments (id),
    service        TEXT    NOT NULL,
    leased_at      INTEGER NOT NULL,
    PRIMARY KEY (host, port),
    UNIQUE (host, environment_id, service)
) STRICT;

CREATE INDEX port_leases_of_environment ON port_leases (environment_id);

CREATE TABLE audit_steps (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    environment_id INTEGER NOT NULL REFERENCES environments (id),
    recorded_at    INTEGER NOT NULL,
    entry          TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_steps_of_environment ON audit_steps (environment_id, id);

CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    happened_at INTEGER NOT NULL,
    actor       TEXT,
    source      TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    environment TEXT,
    commit_id   TEXT,
    detail      TEXT    NOT NULL,
    allowed     INTEGER NOT NULL CHECK (allowed IN (0, 1))
) STRICT;
