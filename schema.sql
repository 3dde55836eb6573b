-- Hookpost's database: the whole schema, for readers. A test compares it with the schema that the
-- migrations in src/storage/sqlite/file/migrations make.
--
-- Conventions. Times are microseconds since the Unix epoch, UTC. Ids are the 16 bytes of a UUID.
-- The tables that grow (message, event, delivery) are rowid tables. The writer numbers their rows:
-- `seq` is the order of commit and is never reused, and all other tables refer to it. An id would
-- cost 16 bytes in each reference and a random page per look-up; an integer costs neither. Endpoints,
-- workspaces and types have small integers (`n`) for the same reason. Within one table `created_at`
-- rises with `seq`, except where the table clock_step says that the wall clock was set back.
-- An index entry ends in the rowid, so an index on (endpoint) is also an index on (endpoint, seq).
-- SQLite does not check the REFERENCES below: `foreign_keys` is OFF at run time. They document the joins.

-- Tenants.
CREATE TABLE workspace (
  n           INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: old events still refer to it
  id          BLOB    NOT NULL UNIQUE,
  name        TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  modified_at INTEGER,                           -- NULL: never renamed
  deleted_at  INTEGER,                           -- NULL: in use; a deleted one keeps its row, with the name ''
  archive_after    INTEGER NOT NULL DEFAULT 0,   -- seconds that its payloads are kept; 0: as long as the server's
  delete_after     INTEGER NOT NULL DEFAULT 0,   -- seconds that its events are kept; 0: as long as the server's
  archived_through INTEGER NOT NULL DEFAULT 0,   -- if archive_after is not 0: payloads are dropped up to this event
  operational_events INTEGER NOT NULL DEFAULT 0, -- 1: it gets the operational events of its own endpoints
  unrouted_archived_through INTEGER NOT NULL DEFAULT 0 -- the same as archived_through for messages that
                                                 -- have no event: up to this message
);
-- A name is free again once its workspace is deleted.
CREATE UNIQUE INDEX workspace_name ON workspace (name) WHERE deleted_at IS NULL;

-- Access tokens. Revoking a token deletes its row, and the rows of the tokens that it made, and so on.
CREATE TABLE token (
  n            INTEGER PRIMARY KEY,
  id           BLOB    NOT NULL UNIQUE,
  hash         BLOB    NOT NULL UNIQUE,          -- SHA-256 of the whole token; the token is not stored
  workspace    INTEGER REFERENCES workspace (n), -- NULL: an admin token
  comment      TEXT    NOT NULL,
  scopes       INTEGER NOT NULL,                 -- a bit set, see domain::access::Scopes
  created_at   INTEGER NOT NULL,
  modified_at  INTEGER,                          -- NULL: never changed
  expires_at   INTEGER,                          -- NULL: valid until revoked
  last_used_at INTEGER,                          -- NULL: never used; written about once a minute
  parent       INTEGER REFERENCES token (n),     -- the token that made it, which ends no earlier;
                                                 -- NULL: the operator made it, or it was made
                                                 -- before parents were recorded
  origin       INTEGER NOT NULL DEFAULT 0        -- 1: from the server's settings; ends when it is not in them
);
CREATE INDEX token_workspace ON token (workspace);
CREATE INDEX token_parent ON token (parent);

-- Admin tokens that were revoked. A revoked token that is still in the server's settings stays revoked.
-- Only the operator makes admin tokens, so these rows are few.
CREATE TABLE revoked_admin (
  hash       BLOB    PRIMARY KEY,                -- as in token
  revoked_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Endpoints: URLs that receive webhooks. A deleted endpoint keeps its row, so that its events and deliveries
-- stay listed. Its URL, secret, subscriptions, filter, name and description are ''.
CREATE TABLE endpoint (
  n             INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused, as above
  id            BLOB    NOT NULL UNIQUE,
  workspace     INTEGER NOT NULL REFERENCES workspace (n),
  url           TEXT    NOT NULL,                -- WHATWG-normalised
  format        INTEGER NOT NULL,                -- 0 raw, 1 discord, 2 slack
  secret        TEXT    NOT NULL,                -- a text, or a BLOB that --encryption-key-file encrypted; whsk_: a
                                                 -- key pair
  events        TEXT    NOT NULL,                -- subscriptions, joined by spaces; may be empty
  disabled      INTEGER,                         -- NULL: enabled; 0 manual, 1 gone, 2 failing
  created_at    INTEGER NOT NULL,
  modified_at   INTEGER,                         -- NULL: never changed
  deleted_at    INTEGER,                         -- NULL: not deleted
  failures      INTEGER NOT NULL DEFAULT 0,      -- events in a row that ended failed
  skip_through  INTEGER NOT NULL DEFAULT 0,      -- runs up to this number count as skipped, swept or not
  sweep         INTEGER NOT NULL DEFAULT 0,      -- 1: some pending rows of skipped runs are not swept yet
  name          TEXT    NOT NULL DEFAULT '',     -- for people; '': none
  description   TEXT    NOT NULL DEFAULT '',     -- for people; '': none
  health_epoch  INTEGER NOT NULL DEFAULT 0,      -- raised when it gets another URL or is enabled: a rest that the
                                                 -- engine noted before that does not count
  rests         INTEGER NOT NULL DEFAULT 0,      -- rests in a row since the last 2xx; the last may be over
  resting_until INTEGER,                         -- the end of the last of them; NULL: none
  held_until    INTEGER,                         -- its receiver asked for no attempt before; NULL: it did not
  last_success_at INTEGER,                       -- the last attempt that succeeded, of those up to
                                                 -- 'delivery_charted' in meta; NULL: none is known
  last_failure_at INTEGER,                       -- likewise, the last one that failed
  warned_at     INTEGER,                         -- its operators were warned that it fails; NULL: it recovered since
  failed_told_at INTEGER,                        -- they were last told of an event that failed for good
  failed_untold INTEGER NOT NULL DEFAULT 0,      -- events that failed for good since then
  backlog_told_at INTEGER,                       -- they were last told of its old backlog; NULL: it is cleared
  key           TEXT    NOT NULL DEFAULT '',     -- for programs, unique in the workspace; '': none
  metadata      TEXT    NOT NULL DEFAULT '',     -- texts of a program: a JSON object; '': none
  headers       TEXT    NOT NULL DEFAULT '',     -- custom headers: a JSON list of names and values, or a BLOB as for
                                                 -- secret; '': none
  policy        TEXT    NOT NULL DEFAULT '',     -- where it differs from the server's settings: JSON; '': nowhere
  paused        INTEGER,                         -- NULL: not paused; 0 manual
  resumed_at    INTEGER,                         -- the end of its last pause: runs that began before last from then
                                                 -- on; NULL: there was none
  filter        TEXT    NOT NULL DEFAULT ''      -- event pattern that messages must match, in JSON; '': any
);
CREATE INDEX endpoint_workspace ON endpoint (workspace) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX endpoint_key ON endpoint (workspace, key) WHERE key <> '';
CREATE INDEX endpoint_sweep ON endpoint (sweep) WHERE sweep = 1;
-- Endpoints of which people are to be told later: few.
CREATE INDEX endpoint_untold ON endpoint (failed_told_at) WHERE failed_untold > 0;
CREATE INDEX endpoint_old_backlog ON endpoint (backlog_told_at) WHERE backlog_told_at IS NOT NULL;

-- Secrets that sign beside the present one for a while after a rotation, at most two of an endpoint. The janitor
-- deletes a row when its time is over.
CREATE TABLE old_secret (
  endpoint INTEGER NOT NULL,
  n        INTEGER NOT NULL,                     -- from 1; the highest is the newest
  secret   TEXT    NOT NULL,                     -- as in endpoint
  ends_at  INTEGER NOT NULL,                     -- from then on it signs nothing
  PRIMARY KEY (endpoint, n)
) WITHOUT ROWID;
CREATE INDEX old_secret_end ON old_secret (ends_at);

-- Names of event types. Events and deliveries hold a small integer in place of the name.
CREATE TABLE event_type (
  n    INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- Messages, as producers published them. A message is deleted after its last event.
CREATE TABLE message (
  seq         INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  workspace   INTEGER NOT NULL REFERENCES workspace (n),
  type        INTEGER NOT NULL REFERENCES event_type (n),
  created_at  INTEGER NOT NULL,                  -- the server's clock
  first_event INTEGER NOT NULL,                  -- its events have the numbers first_event ..
  events      INTEGER NOT NULL,                  -- .. first_event + events - 1; some may be deleted;
                                                 -- later_event may have more
  timestamp   TEXT,                              -- the producer's, in RFC 3339; NULL: created_at
  body        BLOB,                              -- the body of raw deliveries; NULL: archived
  trace       TEXT,                              -- the producer's traceparent, and after a space its
                                                 -- tracestate; NULL: none was sent, or archived
  direct      INTEGER NOT NULL DEFAULT 0         -- 1: its producer named the endpoints that get it, so it is
                                                 -- missing for no other
);

-- Messages that no endpoint wanted, of one workspace: for their list, and for retention, which finds other
-- messages of a workspace by their events.
CREATE INDEX message_unrouted ON message (workspace, seq, type) WHERE events = 0;

-- Tags of messages that have some, in the transaction of the message. They are not in its row, where a long body would
-- stand before them, and lists look at them without reading messages. They are deleted with the message.
CREATE TABLE message_tags (
  workspace INTEGER NOT NULL,                    -- the message's
  message   INTEGER NOT NULL REFERENCES message (seq),
  tags      TEXT    NOT NULL,                    -- a JSON object of texts
  PRIMARY KEY (workspace, message)
) WITHOUT ROWID;

-- Idempotency keys, stored in the message's own transaction and dropped after 24 hours.
-- Each has its message's number, so the oldest keys have the lowest numbers, and no index of times is needed.
CREATE TABLE idempotency (
  message     INTEGER PRIMARY KEY REFERENCES message (seq),
  workspace   INTEGER NOT NULL,
  key         TEXT    NOT NULL,
  fingerprint BLOB    NOT NULL,                  -- SHA-256 of the raw request body, or of the item of a batch
  UNIQUE (workspace, key)
);

-- Events: one message for one endpoint each. This table is also the queue: two partial indexes hold the
-- pending events, so that the queue and the events cannot disagree. A run is one pass of an event through
-- the retry schedule. Its number comes from the same sequence as `seq`; the first run of an event has the
-- number of the event.
CREATE TABLE event (
  seq         INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,           -- the webhook-id header
  message     INTEGER NOT NULL REFERENCES message (seq),
  endpoint    INTEGER NOT NULL REFERENCES endpoint (n),
  workspace   INTEGER NOT NULL,                  -- the endpoint's, repeated for the lists
  type        INTEGER NOT NULL,                  -- the message's, repeated for the lists
  format      INTEGER NOT NULL,                  -- the endpoint's format at the time of publishing
  state       INTEGER NOT NULL,                  -- 0 fresh 1 retry 2 succeeded 3 failed 4 skipped
  run         INTEGER NOT NULL,                  -- number of the current run
  run_attempt INTEGER NOT NULL,                  -- attempts made in this run
  run_started INTEGER,                           -- NULL: at created_at
  attempts    INTEGER NOT NULL,                  -- attempts made in all runs
  code        INTEGER,                           -- last status code; NULL: none, or no answer
  due         INTEGER,                           -- NULL unless state is 1
  created_at  INTEGER NOT NULL,
  modified_at INTEGER,                           -- NULL: not changed since it was made
  body        BLOB,                              -- rendered discord or slack body; NULL: the body is
                                                 -- the message's (raw), or that of the message's first
                                                 -- event with this format, or was archived; an event
                                                 -- in later_event has its rendered body itself
  job         INTEGER                            -- the job that let the event go, until its next attempt
);
-- Fresh events: never attempted, in publish order. The engine reads these when few of the endpoint wait in memory.
CREATE INDEX event_fresh ON event (endpoint, seq, type) WHERE state = 0;
-- Events that wait for another attempt, soonest first.
CREATE INDEX event_retry ON event (endpoint, due, seq) WHERE state = 1;
-- The same events in the order of the lists. Only events that were attempted without success cost an
-- entry here.
CREATE INDEX event_waiting ON event (endpoint, seq, run, type) WHERE state = 1;
-- Events that were redelivered by hand and not attempted since; they are due at once. This index is always tiny.
CREATE INDEX event_redelivery ON event (endpoint, seq) WHERE state = 1 AND run_attempt = 0 AND job IS NULL;
-- Events that a job let go and that were not attempted since: at most a thousand of each job.
CREATE INDEX event_job ON event (job, endpoint) WHERE state = 1 AND job IS NOT NULL;
-- For lists of failed and skipped events, which people often look for and which are few. The type and the code
-- are in the index, so that a scan in the order of `seq` leaves out others without reading the table.
CREATE INDEX event_unhappy ON event (workspace, state, seq, type, code) WHERE state IN (3, 4);
CREATE INDEX event_unhappy_endpoint ON event (endpoint, state, seq, type, code) WHERE state IN (3, 4);

-- Events that a job made after their message was published. They are not among the numbers that the message names.
-- If the message had no event, the event becomes the range of the message instead, and has no row here.
CREATE TABLE later_event (
  message INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  PRIMARY KEY (message, event)
) WITHOUT ROWID;

-- Jobs: redelivering or skipping all events that match a filter. A job goes through the events of each endpoint
-- in the order of their numbers. Its set is fixed by the two numbers 'through', by 'subscriptions' and by
-- 'endpoint_filter'.
CREATE TABLE job (
  n                INTEGER PRIMARY KEY,
  id               BLOB    NOT NULL UNIQUE,
  workspace        INTEGER,                      -- NULL: all workspaces
  action           INTEGER NOT NULL,             -- 0 redeliver, 1 skip
  filter           TEXT    NOT NULL,             -- as in the API, in JSON
  rate             INTEGER,                      -- events a minute; NULL: as fast as they get through
  state            INTEGER NOT NULL,             -- 0 running, 1 finished, 2 cancelled
  created_at       INTEGER NOT NULL,
  modified_at      INTEGER,                      -- NULL: no step was made
  finished_at      INTEGER,                      -- the end of the job, also if it was cancelled; NULL: running
  through_event    INTEGER NOT NULL,             -- events with higher numbers are not in its set
  through_message  INTEGER NOT NULL,             -- nor messages with higher ones
  subscriptions    TEXT,                         -- as in endpoint.events, when the job was made; NULL: nothing missing is selected
  matched          INTEGER,                      -- events in its set; NULL: not known yet
  done             INTEGER NOT NULL DEFAULT 0,   -- events that it redelivered, made or skipped
  archived         INTEGER NOT NULL DEFAULT 0,   -- events that it left out, by reason
  endpoint_disabled INTEGER NOT NULL DEFAULT 0,
  endpoint_deleted INTEGER NOT NULL DEFAULT 0,
  changed          INTEGER NOT NULL DEFAULT 0,
  key              TEXT,                         -- idempotency key; NULL: none, or expired
  fingerprint      BLOB,                         -- as in idempotency
  endpoint_filter  TEXT                          -- as in endpoint.filter, when the job was made; NULL: ''
);
CREATE INDEX job_workspace ON job (workspace, n);
CREATE INDEX job_running ON job (n) WHERE state = 0;
CREATE UNIQUE INDEX job_key ON job (workspace, key) WHERE key IS NOT NULL;

-- The endpoints of running jobs that are not done, and how far each is.
CREATE TABLE job_endpoint (
  job          INTEGER NOT NULL,
  endpoint     INTEGER NOT NULL,
  next_event   INTEGER NOT NULL DEFAULT 0,       -- the number from which its events are still to be looked at
  next_message INTEGER NOT NULL DEFAULT 0,       -- the number from which messages are still to be looked at
  PRIMARY KEY (job, endpoint)
) WITHOUT ROWID;

-- Deliveries: one HTTP attempt of an event each. Rows do not change, except that `response` is erased with
-- the workspace, or with the payload of the message.
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
  error       INTEGER,                           -- domain::attempt_failure; NULL: there was an answer
  duration_ms INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  response    TEXT                               -- start of the receiver's answer, or the error in words
);
CREATE INDEX delivery_by_event ON delivery (event);
-- For lists of attempts that did not succeed, which people often look for and which are few.
CREATE INDEX delivery_unhappy ON delivery (workspace, seq, code, type) WHERE succeeded = 0;
CREATE INDEX delivery_unhappy_endpoint ON delivery (endpoint, seq, code, type) WHERE succeeded = 0;

-- List indexes: the events and deliveries of a workspace, of an endpoint and of a type. They are tables,
-- not SQLite's own indexes, because the writer fills them in batches of some thousand rows, in the order of
-- the key. SQLite's own indexes had a page to write for each event and endpoint: with a thousand endpoints,
-- that was most of what was written. All rows up to the numbers 'event_indexed' and 'delivery_indexed' in
-- meta are in these tables. Above those numbers the tables are not complete, so lists ignore them there and
-- scan event and delivery for the newer rows.
CREATE TABLE event_of_workspace (
  workspace INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
CREATE TABLE event_of_endpoint (
  endpoint INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  type     INTEGER NOT NULL,                     -- lets a scan leave out other types
  PRIMARY KEY (endpoint, seq)
) WITHOUT ROWID;
CREATE TABLE event_of_type (
  workspace INTEGER NOT NULL,
  type      INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, type, seq)
) WITHOUT ROWID;
CREATE TABLE delivery_of_workspace (
  workspace INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
CREATE TABLE delivery_of_endpoint (
  endpoint INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  PRIMARY KEY (endpoint, seq)
) WITHOUT ROWID;
CREATE TABLE delivery_of_type (
  workspace INTEGER NOT NULL,
  type      INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, type, seq)
) WITHOUT ROWID;

-- The same for messages. All up to the number 'message_indexed' in meta are in it. A file of an earlier version
-- begins with 0 there, and the writer fills this table little by little.
CREATE TABLE message_of_workspace (
  workspace INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  type      INTEGER NOT NULL,
  PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;

-- Rows that were deleted from event, delivery and message, and may still have entries in the list indexes. Lists leave
-- those entries out. The janitor deletes them some thousand at a time, in the order of the key, and then the
-- rows here: with a thousand endpoints, each row would otherwise cost a page of each list index.
CREATE TABLE event_tombstone (
  seq       INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL,
  endpoint  INTEGER NOT NULL,
  type      INTEGER NOT NULL
);
CREATE TABLE delivery_tombstone (
  seq       INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL,
  endpoint  INTEGER NOT NULL,
  type      INTEGER NOT NULL
);
CREATE TABLE message_tombstone (
  seq       INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL
);

-- Counters of deliveries, for exact totals at any size: the number of deliveries of each kind in each block
-- of 32,768 numbers. Each delivery is counted three times: for its endpoint, its workspace and the server.
-- So a total is the sum of one scope's blocks, however many endpoints the scope has. The block comes first
-- in the key: the writer adds all scopes of a complete block at once, at the end of the table.
-- The block of the newest delivery has no rows here yet; lists count that block on an index.
CREATE TABLE delivery_count (
  block    INTEGER NOT NULL,                     -- delivery.seq / 32768
  scope    INTEGER NOT NULL,                     -- n of the endpoint; -n of the workspace; 0: server
  type     INTEGER NOT NULL,
  class    INTEGER NOT NULL,                     -- code / 100; 0: no answer
  count    INTEGER NOT NULL,
  PRIMARY KEY (block, scope, type, class)
) WITHOUT ROWID;

-- Counters of events, by state. When an event changes its state, the old state's counter is lowered by one
-- and the new state's raised by one.
CREATE TABLE event_count (
  block    INTEGER NOT NULL,                     -- event.seq / 32768
  scope    INTEGER NOT NULL,                     -- as above
  type     INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (block, scope, type, state)
) WITHOUT ROWID;

-- Counters of messages. They count the messages that are in the list index, up to 'message_indexed' in meta, so that
-- a list that steps over the newer rows counts those itself.
CREATE TABLE message_count (
  block    INTEGER NOT NULL,                     -- message.seq / 32768
  scope    INTEGER NOT NULL,                     -- -n of the workspace; 0: server
  type     INTEGER NOT NULL,
  routed   INTEGER NOT NULL,                     -- 0: no endpoint wanted it
  count    INTEGER NOT NULL,
  PRIMARY KEY (block, scope, type, routed)
) WITHOUT ROWID;

-- Counts of attempts over time, for charts. Each attempt is counted nine times: in a period of each length; for
-- its endpoint, its workspace and the server. The period comes first in the key: the writer adds to the rows of all
-- scopes at once, and the janitor deletes old periods. The minutes are kept for two hours, the quarters of an hour
-- for 26 hours, the two hours for 31 days. The deliveries after the number 'delivery_charted' in meta are not
-- counted here yet; the writer counts them in memory. Deliveries that are deleted stay counted.
CREATE TABLE delivery_chart (
  period    INTEGER NOT NULL,                    -- its length in minutes: 1, 15 or 120
  start     INTEGER NOT NULL,                    -- its start, in minutes since the epoch: a multiple of its length
  scope     INTEGER NOT NULL,                    -- as above
  succeeded INTEGER NOT NULL,                    -- attempts that were answered with a 2xx
  failed    INTEGER NOT NULL,                    -- attempts that were not
  retried   INTEGER NOT NULL,                    -- those of both that were not the first of their event
  latency   BLOB    NOT NULL,                    -- how many took how long: domain::latency, by bins
  PRIMARY KEY (period, start, scope)
) WITHOUT ROWID;

-- Steps back of the wall clock by more than a second: at `seq`, `created_at` is lower than in the row
-- before. Between two steps it only rises, so lists find a time by bisection. Messages of earlier versions may
-- have times that fall by less than a second without a step.
CREATE TABLE clock_step (
  kind TEXT    NOT NULL,                         -- 'event', 'delivery' or 'message'
  seq  INTEGER NOT NULL,                         -- the first row after the step
  PRIMARY KEY (kind, seq)
) WITHOUT ROWID;

-- Single values. There may be others than those below. 'archived': payloads are dropped up to this message.
-- 'archived N': the same from message N on, where the clock was set back, if an earlier message still keeps
-- its payload because it has a pending event or the clock was ahead. 'erase N': the deleted workspace N is
-- erased up to this message. 'retention_clock': the wall clock when retention believed it last.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
-- The highest number that an event or a run has. It is stored because redeliveries take numbers, too, and
-- leave no row.
INSERT INTO meta (key, value) VALUES ('last_run', 0);
-- The highest numbers that were given. They are stored when rows are deleted, because the newest may be among
-- those; the tables may have higher ones.
INSERT INTO meta (key, value) VALUES ('last_message', 0), ('last_event', 0), ('last_delivery', 0);
-- All events, deliveries and messages up to these numbers are in the list indexes.
INSERT INTO meta (key, value) VALUES ('event_indexed', 0), ('delivery_indexed', 0), ('message_indexed', 0);
-- All deliveries up to this number are in delivery_chart.
INSERT INTO meta (key, value) VALUES ('delivery_charted', 0);
