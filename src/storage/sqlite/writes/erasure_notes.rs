//! Notes in the table `meta` of the deleted workspaces that are still to be erased, with the progress of
//! each.

use rusqlite::Connection;

/// Adds the note that a workspace must be erased.
pub(crate) fn add(connection: &Connection, workspace: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, 0)")?
        .execute([key(workspace)])?;
    Ok(())
}

pub(crate) fn key(workspace: i64) -> String {
    format!("erase {workspace}")
}

/// A workspace to erase.
pub(crate) struct Note {
    pub(crate) workspace: i64,
    /// The message up to which it is erased.
    pub(crate) through: i64,
    /// Set if all of its skipped events are swept.
    pub(crate) is_swept: bool,
}

/// Returns the notes that are there.
pub(crate) fn noted(connection: &Connection) -> rusqlite::Result<Vec<Note>> {
    connection
        .prepare(
            "SELECT n, value, n NOT IN (
                SELECT workspace FROM endpoint INDEXED BY endpoint_sweep WHERE sweep = 1)
             FROM (
               SELECT CAST(substr(key, 7) AS INTEGER) AS n, value FROM meta WHERE key GLOB 'erase *')",
        )?
        .query_map([], |row| {
            Ok(Note {
                workspace: row.get(0)?,
                through: row.get(1)?,
                is_swept: row.get(2)?,
            })
        })?
        .collect()
}
