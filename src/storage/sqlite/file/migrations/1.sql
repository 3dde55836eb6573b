-- The first migration, as it was. schema.sql has the schema as it is now, and explains it.
--
-- Conventions. Times are microseconds since the Unix epoch, UTC. Ids are the 16 bytes of a UUID.
-- Tables that grow (message, event, delivery) are rowid tables numbered by the writer: `seq` is the
-- order of commit, never reused, and what everything else joins on; an id costs 16 bytes per
-- mention and a random page per look-up, an integer neither. Endpoints, workspaces and types are
-- small integers (`n`) for the same reason. Within one table `created_at` rises with `seq`, except
-- where table clock_step says that the wall clock was set back.
-- An index entry ends in the rowid, so an index on (endpoint) is one on (endpoint, seq).

-- Tenants.
CREATE TABLE workspace (
  n           INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: old events keep pointing at it
  id          BLOB    NOT NULL UNIQUE,
  name        TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  modified_at INTEGER,                           -- NULL: never renamed
  deleted_at  INTEGER                            -- NULL: in use; a deleted one keeps its row
);
-- A name is free again once its workspace is deleted.
CREATE UNIQUE INDEX workspace_name ON workspace (name) WHERE deleted_at IS NULL;

-- Access tokens. Revoking deletes the row.
CREATE TABLE token (
  n            INTEGER PRIMARY KEY,
  id           BLOB    NOT NULL UNIQUE,
  hash         BLOB    NOT NULL UNIQUE,          -- SHA-256 of the whole token; it is stored nowhere
  workspace    INTEGER REFERENCES workspace (n), -- NULL: an admin token
  comment      TEXT    NOT NULL,
  scopes       INTEGER NOT NULL,                 -- bit set, see domain::access::Scopes
  created_at   INTEGER NOT NULL,
  modified_at  INTEGER,                          -- NULL: never changed
  expires_at   INTEGER,                          -- NULL: lives until revoked
  last_used_at INTEGER                           -- NULL: never used; written about once a minute
);
CREATE INDEX token_workspace ON token (workspace);

-- URLs that receive webhooks. Deleting is soft: events and deliveries stay listed.
CREATE TABLE endpoint (
  n             INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused, as above
  id            BLOB    NOT NULL UNIQUE,
  workspace     INTEGER NOT NULL REFERENCES workspace (n),
  url           TEXT    NOT NULL,                -- WHATWG-normalised
  format        INTEGER NOT NULL,                -- 0 raw, 1 discord, 2 slack
  secret        TEXT    NOT NULL,                -- in the clear: every attempt signs with it
  events        TEXT    NOT NULL,                -- subscriptions, joined by spaces; may be empty
  disabled      INTEGER,                         -- NULL: enabled; 0 manual, 1 gone, 2 failing
  created_at    INTEGER NOT NULL,
  modified_at   INTEGER,                         -- NULL: never changed
  deleted_at    INTEGER,                         -- NULL: not deleted
  failures      INTEGER NOT NULL DEFAULT 0,      -- events in a row that ended failed
  skip_through  INTEGER NOT NULL DEFAULT 0,      -- runs up to this one are skipped, swept or not
  sweep         INTEGER NOT NULL DEFAULT 0       -- 1: pending rows of skipped runs are left to sweep
);
CREATE INDEX endpoint_workspace ON endpoint (workspace) WHERE deleted_at IS NULL;
CREATE INDEX endpoint_sweep ON endpoint (sweep) WHERE sweep = 1;

-- Names of event types, so that events and deliveries hold a small integer.
CREATE TABLE event_type (
  n    INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- What producers published.
CREATE TABLE message (
  seq         INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  workspace   INTEGER NOT NULL REFERENCES workspace (n),
  type        INTEGER NOT NULL REFERENCES event_type (n),
  created_at  INTEGER NOT NULL,                  -- the server's clock
  first_event INTEGER NOT NULL,                  -- its events are first_event ..
  events      INTEGER NOT NULL,                  -- .. first_event + events - 1
  timestamp   TEXT,                              -- the producer's, as sent; NULL: created_at
  body        BLOB                               -- body of a raw delivery; NULL: archived
);

-- Idempotency keys, claimed in the message's own transaction and dropped after 24 hours.
-- Numbered by the message, so the oldest are the lowest and no index of times is needed.
CREATE TABLE idempotency (
  message     INTEGER PRIMARY KEY REFERENCES message (seq),
  workspace   INTEGER NOT NULL,
  key         TEXT    NOT NULL,
  fingerprint BLOB    NOT NULL,                  -- SHA-256 of the raw request body
  UNIQUE (workspace, key)
);

-- One message bound for one endpoint; also the queue. Two partial indexes hold what is pending, so
-- queue and record cannot disagree. A run is one pass through the retry schedule; its number comes
-- from the same sequence as `seq`, and the first run of an event has the number of the event.
CREATE TABLE event (
  seq         INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,           -- the webhook-id header
  message     INTEGER NOT NULL REFERENCES message (seq),
  endpoint    INTEGER NOT NULL REFERENCES endpoint (n),
  workspace   INTEGER NOT NULL,                  -- the endpoint's, repeated for the lists
  type        INTEGER NOT NULL,                  -- the message's, repeated for the lists
  format      INTEGER NOT NULL,                  -- the endpoint's when it was published
  state       INTEGER NOT NULL,                  -- 0 fresh 1 retry 2 succeeded 3 failed 4 skipped
  run         INTEGER NOT NULL,                  -- number of the current run
  run_attempt INTEGER NOT NULL,                  -- attempts made in this run
  run_started INTEGER,                           -- NULL: at created_at
  attempts    INTEGER NOT NULL,                  -- attempts made in all runs
  code        INTEGER,                           -- last status code; NULL: none, or no answer
  due         INTEGER,                           -- NULL unless state is 1
  created_at  INTEGER NOT NULL,
  modified_at INTEGER,                           -- NULL: nothing happened yet
  body        BLOB                               -- rendered discord or slack body; NULL: the
                                                 -- message's own body, or archived
);
-- Never attempted, in publish order: what the engine reads when its window has room.
CREATE INDEX event_fresh ON event (endpoint, seq, type) WHERE state = 0;
-- Waiting for another attempt, soonest first.
CREATE INDEX event_retry ON event (endpoint, due, seq) WHERE state = 1;
-- The same in the order of the lists. Only events that were attempted and did not get through pay.
CREATE INDEX event_waiting ON event (endpoint, seq, run, type) WHERE state = 1;
-- Asked for again and not attempted since: these wait for nothing. Always tiny.
CREATE INDEX event_redelivery ON event (endpoint, seq) WHERE state = 1 AND run_attempt = 0;
-- Lists. Those with a type after `seq` are scanned in the order of `seq` and leave out other types
-- without a look at the table.
CREATE INDEX event_by_workspace ON event (workspace);
CREATE INDEX event_by_endpoint ON event (endpoint, seq, type);
CREATE INDEX event_by_type ON event (workspace, type);
-- Failed and skipped events are what people look for, and few.
CREATE INDEX event_unhappy ON event (workspace, state, seq, type) WHERE state IN (3, 4);
CREATE INDEX event_unhappy_endpoint ON event (endpoint, state, seq, type) WHERE state IN (3, 4);

-- One HTTP attempt of an event. Rows are never changed.
CREATE TABLE delivery (
  seq         INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  event       INTEGER NOT NULL REFERENCES event (seq),
  endpoint    INTEGER NOT NULL,                  -- the event's, repeated for the lists
  workspace   INTEGER NOT NULL,                  -- the event's, repeated for the lists
  type        INTEGER NOT NULL,                  -- the event's, repeated for the lists
  attempt     INTEGER NOT NULL,                  -- counts from 1 over all runs of the event
  succeeded   INTEGER NOT NULL,                  -- 1: answered 2xx
  code        INTEGER,                           -- status code; NULL: no answer
  error       INTEGER,                           -- domain::delivery_error; NULL: there was an answer
  duration_ms INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  response    TEXT                               -- start of the answer, or the error in words
);
-- Lists.
CREATE INDEX delivery_by_workspace ON delivery (workspace);
CREATE INDEX delivery_by_endpoint ON delivery (endpoint, seq, type);
CREATE INDEX delivery_by_type ON delivery (workspace, type);
CREATE INDEX delivery_by_event ON delivery (event);
-- Attempts that did not succeed are what people look for, and few.
CREATE INDEX delivery_unhappy ON delivery (workspace, seq, code, type) WHERE succeeded = 0;
CREATE INDEX delivery_unhappy_endpoint ON delivery (endpoint, seq, code, type) WHERE succeeded = 0;

-- Exact totals at any size: how many deliveries of a kind fell into an hour. Each is counted three
-- times, for its endpoint, its workspace and the server, so that a total is the sum of one scope's
-- hours however many endpoints it has.
CREATE TABLE delivery_count (
  scope    INTEGER NOT NULL,                     -- n of the endpoint; -n of the workspace; 0: server
  hour     INTEGER NOT NULL,                     -- created_at in whole hours since the epoch
  type     INTEGER NOT NULL,
  class    INTEGER NOT NULL,                     -- code / 100; 0: no answer
  count    INTEGER NOT NULL,
  PRIMARY KEY (scope, hour, type, class)
) WITHOUT ROWID;

-- The same for events, by state. Moves between states are subtracted and added.
CREATE TABLE event_count (
  scope    INTEGER NOT NULL,                     -- as above
  hour     INTEGER NOT NULL,                     -- created_at in whole hours since the epoch
  type     INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (scope, hour, type, state)
) WITHOUT ROWID;

-- Where the wall clock was set back by more than a second: from `seq` on, `created_at` starts lower
-- than it ended before. Between two rows it only rises, so a time is found by bisection.
CREATE TABLE clock_step (
  kind TEXT    NOT NULL,                         -- 'event' or 'delivery'
  seq  INTEGER NOT NULL,                         -- the first row after the step
  PRIMARY KEY (kind, seq)
) WITHOUT ROWID;

-- Single values.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
-- The highest number given to an event or a run: redeliveries take numbers too, and leave no row.
INSERT INTO meta (key, value) VALUES ('last_run', 0);
