-- Endpoints have a name and a description, for people.
ALTER TABLE endpoint ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoint ADD COLUMN description TEXT NOT NULL DEFAULT '';
