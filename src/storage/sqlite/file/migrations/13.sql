-- Messages whose producers named the endpoints that get them.
ALTER TABLE message ADD COLUMN direct INTEGER NOT NULL DEFAULT 0;
