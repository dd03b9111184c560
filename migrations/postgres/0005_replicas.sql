-- Several processes share the work: which of them writes a change's page, until when, and which commit's configuration made
-- what is there, so that any of them knows how to take it away.
ALTER TABLE environments ADD COLUMN reporter TEXT;
ALTER TABLE environments ADD COLUMN reporter_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE environments ADD COLUMN ruling TEXT;

-- Who does what has to be done now and then by one process.
CREATE TABLE duties (
    name   TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);
