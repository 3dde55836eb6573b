-- The indexes by workspace, endpoint and type become tables of their own, which the writer fills in
-- blocks: at a thousand endpoints each event had pages of its own in them, four of 4 KB to write.
-- schema.sql explains the tables. Read from the indexes they replace, rows come in their order, so
-- nothing is sorted; each index goes at once, so that the next table takes its pages.

CREATE TABLE event_of_workspace (
  workspace INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
INSERT INTO event_of_workspace
  SELECT workspace, seq FROM event INDEXED BY event_by_workspace ORDER BY workspace, seq;
DROP INDEX event_by_workspace;

CREATE TABLE event_of_endpoint (
  endpoint INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  PRIMARY KEY (endpoint, seq)
) WITHOUT ROWID;
INSERT INTO event_of_endpoint
  SELECT endpoint, seq, type FROM event INDEXED BY event_by_endpoint ORDER BY endpoint, seq;
DROP INDEX event_by_endpoint;

CREATE TABLE event_of_type (
  workspace INTEGER NOT NULL,
  type      INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, type, seq)
) WITHOUT ROWID;
INSERT INTO event_of_type
  SELECT workspace, type, seq FROM event INDEXED BY event_by_type ORDER BY workspace, type, seq;
DROP INDEX event_by_type;

CREATE TABLE delivery_of_workspace (
  workspace INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
INSERT INTO delivery_of_workspace
  SELECT workspace, seq FROM delivery INDEXED BY delivery_by_workspace ORDER BY workspace, seq;
DROP INDEX delivery_by_workspace;

CREATE TABLE delivery_of_endpoint (
  endpoint INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  PRIMARY KEY (endpoint, seq)
) WITHOUT ROWID;
INSERT INTO delivery_of_endpoint
  SELECT endpoint, seq, type FROM delivery INDEXED BY delivery_by_endpoint ORDER BY endpoint, seq;
DROP INDEX delivery_by_endpoint;

CREATE TABLE delivery_of_type (
  workspace INTEGER NOT NULL,
  type      INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (workspace, type, seq)
) WITHOUT ROWID;
INSERT INTO delivery_of_type
  SELECT workspace, type, seq FROM delivery INDEXED BY delivery_by_type ORDER BY workspace, type, seq;
DROP INDEX delivery_by_type;

INSERT INTO meta (key, value)
  VALUES ('event_indexed', (SELECT coalesce(max(seq), 0) FROM event)),
         ('delivery_indexed', (SELECT coalesce(max(seq), 0) FROM delivery));
