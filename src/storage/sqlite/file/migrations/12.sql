-- Settings of an endpoint, and its pause.
ALTER TABLE endpoint ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoint ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoint ADD COLUMN headers TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoint ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoint ADD COLUMN paused INTEGER;
ALTER TABLE endpoint ADD COLUMN resumed_at INTEGER;
CREATE UNIQUE INDEX endpoint_key ON endpoint (workspace, key) WHERE key <> '';
