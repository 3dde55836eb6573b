-- Counters by blocks of 32,768 numbers instead of hours: an hour of ten million deliveries took
-- seconds to count where a range of times began or ended in it. What is there is counted anew, in
-- migrations.rs: a second per million rows. schema.sql explains the tables.

DROP TABLE delivery_count;

CREATE TABLE delivery_count (
  block    INTEGER NOT NULL,
  scope    INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  class    INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (block, scope, type, class)
) WITHOUT ROWID;

DROP TABLE event_count;

CREATE TABLE event_count (
  block    INTEGER NOT NULL,
  scope    INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (block, scope, type, state)
) WITHOUT ROWID;
