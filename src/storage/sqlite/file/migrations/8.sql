-- Messages have the trace of their producer, which deliveries send on.
ALTER TABLE message ADD COLUMN trace TEXT;
