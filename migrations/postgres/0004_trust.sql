-- Whose code an environment runs. `trust`: what the newest decision wants; `life_trust`: what the present life was placed
-- for. What nobody decided is untrusted; all that ran before this was trusted.

ALTER TABLE environments ADD COLUMN trust TEXT NOT NULL DEFAULT 'untrusted';
ALTER TABLE environments ADD COLUMN life_trust TEXT;

-- The leave to run one commit of an untrusted change.
ALTER TABLE environments ADD COLUMN approved_commit TEXT;
ALTER TABLE environments ADD COLUMN approved_base TEXT;
ALTER TABLE environments ADD COLUMN approved_by TEXT;
ALTER TABLE environments ADD COLUMN approved_at BIGINT;

UPDATE environments SET trust = 'trusted';
UPDATE environments SET life_trust = 'trusted' WHERE host IS NOT NULL OR entry IS NOT NULL;
