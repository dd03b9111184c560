-- What is known of the machines that previews are placed on. Which there are stands in the settings; a host without a
-- row was never looked at.

CREATE TABLE hosts (
    name          TEXT    NOT NULL PRIMARY KEY,
    draining      INTEGER NOT NULL DEFAULT 0 CHECK (draining IN (0, 1)),
    checked_at    INTEGER,
    trouble       TEXT,
    down_since    INTEGER,
    disk_free     INTEGER,
    memory_free   INTEGER,
    -- Whether rules are in force that keep previews from private networks.
    confined      INTEGER NOT NULL DEFAULT 0 CHECK (confined IN (0, 1))
) STRICT;

CREATE INDEX environments_of_host ON environments (host) WHERE host IS NOT NULL;
