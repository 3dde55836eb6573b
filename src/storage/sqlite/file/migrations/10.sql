CREATE TABLE delivery_chart (
  period    INTEGER NOT NULL,
  start     INTEGER NOT NULL,
  scope     INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  failed    INTEGER NOT NULL,
  retried   INTEGER NOT NULL,
  latency   BLOB    NOT NULL,
  PRIMARY KEY (period, start, scope)
) WITHOUT ROWID;
-- Of the deliveries that are there, the next start counts the newest ones: some ten milliseconds.
INSERT INTO meta (key, value)
VALUES ('delivery_charted', max(0, (SELECT coalesce(max(seq), 0) FROM delivery) - 32768));
