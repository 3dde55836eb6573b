-- Old rows are deleted. What was deleted from event and delivery is noted until its entries in the list indexes
-- are deleted, too.
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
-- The newest rows may be deleted, and their numbers must not be given again.
INSERT OR IGNORE INTO meta (key, value) SELECT 'last_message', coalesce(max(seq), 0) FROM message;
INSERT OR IGNORE INTO meta (key, value) SELECT 'last_event', coalesce(max(seq), 0) FROM event;
INSERT OR IGNORE INTO meta (key, value) SELECT 'last_delivery', coalesce(max(seq), 0) FROM delivery;
CREATE INDEX message_unrouted ON message (workspace) WHERE events = 0;
-- A workspace may keep its data for a shorter time than the server.
ALTER TABLE workspace ADD COLUMN archive_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workspace ADD COLUMN delete_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workspace ADD COLUMN archived_through INTEGER NOT NULL DEFAULT 0;
