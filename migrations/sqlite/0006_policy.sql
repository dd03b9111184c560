-- What a project's policy says of one preview: how long it lives (ms; NULL: as the settings say) and when the bot
-- comments. `kept_until`: somebody asked for that much more.

ALTER TABLE environments ADD COLUMN ttl_ms INTEGER;
ALTER TABLE environments ADD COLUMN comment_mode TEXT NOT NULL DEFAULT 'always';
ALTER TABLE environments ADD COLUMN kept_until INTEGER;
