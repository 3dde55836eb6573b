-- What was deleted before it was blanked at its deletion: blanked now, and what belonged to workspaces noted
-- for the janitor.
UPDATE endpoint SET url = '', secret = '', events = '' WHERE deleted_at IS NOT NULL;
INSERT OR IGNORE INTO meta (key, value) SELECT 'erase ' || n, 0 FROM workspace WHERE deleted_at IS NOT NULL;
UPDATE workspace SET name = '' WHERE deleted_at IS NOT NULL;
