-- What is known of the machines that previews are placed on. Which there are stands in the settings; a host without a
-- row was never looked at.

CREATE TABLE hosts (
    name          TEXT    NOT NULL PRIMARY KEY,
    draining      BOOLEAN NOT NULL DEFAULT false,
    checked_at    BIGINT,
    trouble       TEXT,
    down_since    BIGINT,
    disk_free     BIGINT,
    memory_free   BIGINT,
    -- Whether rules are in force that keep previews from private networks.
    confined      BOOLEAN NOT NULL DEFAULT false
);

CREATE INDEX environments_of_host ON environments (host) WHERE host IS NOT NULL;
