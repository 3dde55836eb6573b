-- Filters on the content of messages. A job keeps that of the endpoint whose missing messages it selects.
ALTER TABLE endpoint ADD COLUMN filter TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN endpoint_filter TEXT;
-- Tags of messages: JSON objects, each tag in a line of its own.
CREATE TABLE message_tags (
  workspace INTEGER NOT NULL,
  message   INTEGER NOT NULL REFERENCES message (seq),
  tags      TEXT    NOT NULL,
  PRIMARY KEY (workspace, message)
) WITHOUT ROWID;
