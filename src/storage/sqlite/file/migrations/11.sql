-- Secrets that still sign for a while after a rotation.
CREATE TABLE old_secret (
  endpoint INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  secret   TEXT    NOT NULL,
  ends_at  INTEGER NOT NULL,
  PRIMARY KEY (endpoint, n)
) WITHOUT ROWID;
CREATE INDEX old_secret_end ON old_secret (ends_at);

-- The rest of an endpoint, and what its operators were told.
ALTER TABLE endpoint ADD COLUMN health_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoint ADD COLUMN rests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoint ADD COLUMN resting_until INTEGER;
ALTER TABLE endpoint ADD COLUMN held_until INTEGER;
ALTER TABLE endpoint ADD COLUMN last_success_at INTEGER;
ALTER TABLE endpoint ADD COLUMN last_failure_at INTEGER;
-- The last attempts that are known: among the newest hundred of each kind, and among those that the list index does
-- not have yet. A run that ended without an attempt (error 7) is none.
UPDATE endpoint SET
  last_failure_at = (
    SELECT d.created_at FROM (
      SELECT u.seq FROM delivery u INDEXED BY delivery_unhappy_endpoint
      WHERE u.endpoint = endpoint.n AND u.succeeded = 0 ORDER BY u.seq DESC LIMIT 100) AS newest
    CROSS JOIN delivery d ON d.seq = newest.seq
    WHERE d.error IS NOT 7 ORDER BY newest.seq DESC LIMIT 1),
  last_success_at = (
    SELECT d.created_at FROM (
      SELECT i.seq FROM delivery_of_endpoint i
      WHERE i.endpoint = endpoint.n ORDER BY i.seq DESC LIMIT 100) AS newest
    CROSS JOIN delivery d ON d.seq = newest.seq
    WHERE d.succeeded = 1 ORDER BY newest.seq DESC LIMIT 1)
WHERE deleted_at IS NULL;
UPDATE endpoint SET last_success_at = newest.at
FROM (
  SELECT endpoint, max(created_at) AS at FROM delivery NOT INDEXED
  WHERE seq > (SELECT value FROM meta WHERE key = 'delivery_indexed') AND succeeded = 1
  GROUP BY endpoint) AS newest
WHERE newest.endpoint = endpoint.n AND endpoint.deleted_at IS NULL;
ALTER TABLE endpoint ADD COLUMN warned_at INTEGER;
ALTER TABLE endpoint ADD COLUMN failed_told_at INTEGER;
ALTER TABLE endpoint ADD COLUMN failed_untold INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoint ADD COLUMN backlog_told_at INTEGER;
CREATE INDEX endpoint_untold ON endpoint (failed_told_at) WHERE failed_untold > 0;
CREATE INDEX endpoint_old_backlog ON endpoint (backlog_told_at) WHERE backlog_told_at IS NOT NULL;
ALTER TABLE workspace ADD COLUMN operational_events INTEGER NOT NULL DEFAULT 0;

-- Messages as rows of a list. The writer fills these tables.
CREATE TABLE message_of_workspace (
  workspace INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  type      INTEGER NOT NULL,
  PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('message_indexed', 0);
CREATE TABLE message_tombstone (
  seq       INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL
);
CREATE TABLE message_count (
  block  INTEGER NOT NULL,
  scope  INTEGER NOT NULL,
  type   INTEGER NOT NULL,
  routed INTEGER NOT NULL,
  count  INTEGER NOT NULL,
  PRIMARY KEY (block, scope, type, routed)
) WITHOUT ROWID;
DROP INDEX message_unrouted;
CREATE INDEX message_unrouted ON message (workspace, seq, type) WHERE events = 0;

-- Messages without events are kept as long as others.
DROP TABLE unwanted_message;
ALTER TABLE workspace ADD COLUMN unrouted_archived_through INTEGER NOT NULL DEFAULT 0;

-- Events that were made after their message was published.
CREATE TABLE later_event (
  message INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  PRIMARY KEY (message, event)
) WITHOUT ROWID;

-- Jobs.
CREATE TABLE job (
  n                INTEGER PRIMARY KEY,
  id               BLOB    NOT NULL UNIQUE,
  workspace        INTEGER,
  action           INTEGER NOT NULL,
  filter           TEXT    NOT NULL,
  rate             INTEGER,
  state            INTEGER NOT NULL,
  created_at       INTEGER NOT NULL,
  modified_at      INTEGER,
  finished_at      INTEGER,
  through_event    INTEGER NOT NULL,
  through_message  INTEGER NOT NULL,
  subscriptions    TEXT,
  matched          INTEGER,
  done             INTEGER NOT NULL DEFAULT 0,
  archived         INTEGER NOT NULL DEFAULT 0,
  endpoint_disabled INTEGER NOT NULL DEFAULT 0,
  endpoint_deleted INTEGER NOT NULL DEFAULT 0,
  changed          INTEGER NOT NULL DEFAULT 0,
  key              TEXT,
  fingerprint      BLOB
);
CREATE INDEX job_workspace ON job (workspace, n);
CREATE INDEX job_running ON job (n) WHERE state = 0;
CREATE UNIQUE INDEX job_key ON job (workspace, key) WHERE key IS NOT NULL;
CREATE TABLE job_endpoint (
  job          INTEGER NOT NULL,
  endpoint     INTEGER NOT NULL,
  next_event   INTEGER NOT NULL DEFAULT 0,
  next_message INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (job, endpoint)
) WITHOUT ROWID;
ALTER TABLE event ADD COLUMN job INTEGER;
CREATE INDEX event_job ON event (job, endpoint) WHERE state = 1 AND job IS NOT NULL;
DROP INDEX event_redelivery;
CREATE INDEX event_redelivery ON event (endpoint, seq) WHERE state = 1 AND run_attempt = 0 AND job IS NULL;

-- Failed and skipped events by their code.
DROP INDEX event_unhappy;
DROP INDEX event_unhappy_endpoint;
CREATE INDEX event_unhappy ON event (workspace, state, seq, type, code) WHERE state IN (3, 4);
CREATE INDEX event_unhappy_endpoint ON event (endpoint, state, seq, type, code) WHERE state IN (3, 4);
