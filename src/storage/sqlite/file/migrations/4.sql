-- Which token made a token, and which came with the server's settings.
ALTER TABLE token ADD COLUMN parent INTEGER REFERENCES token (n);
ALTER TABLE token ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;
CREATE INDEX token_parent ON token (parent);
-- Until now only the comment said so. Who changed it has a token like one made on the command line.
UPDATE token SET origin = 1 WHERE workspace IS NULL AND comment = 'from the server''s settings';

CREATE TABLE revoked_admin (
  hash       BLOB    PRIMARY KEY,
  revoked_at INTEGER NOT NULL
) WITHOUT ROWID;
