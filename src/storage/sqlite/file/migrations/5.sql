CREATE TABLE unwanted_message (
  created_at INTEGER NOT NULL,
  message    INTEGER NOT NULL,
  PRIMARY KEY (created_at, message)
) WITHOUT ROWID;
