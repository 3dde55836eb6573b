//! The search for tombstones, whose entries in the list indexes are then deleted.

use std::sync::Arc;

use rusqlite::Connection;

use crate::storage::StoreError;
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::maintenance::work::Work;
use crate::storage::sqlite::writes::tombstones::{TABLES, Tombstone, delete_entries};

/// Tombstones read at a time, some of two megabytes.
const READ: usize = 1 << 16;

/// Deletes the entries of all deleted rows in the list indexes, and the tombstones.
pub(super) fn clear_tombstones(work: &Work<'_>, connection: &Connection) -> Result<(), StoreError> {
    for table in &TABLES {
        loop {
            let tombstones = table.read(connection, READ);
            let tombstones = tombstones.map_err(|error| read_error(&error))?;
            if tombstones.is_empty() {
                break;
            }
            for (statement, rows) in table.work_on(&tombstones) {
                let rows: Arc<[Tombstone]> = rows.into();
                let mut done = 0;
                while done < rows.len() {
                    if work.is_stopping() {
                        return Ok(());
                    }
                    let left = rows.clone();
                    done += work
                        .step(move |context| delete_entries(context, statement, &left[done..]))?;
                }
            }
        }
    }
    Ok(())
}
