//! The search for tombstones, whose entries in the list indexes are then deleted.

use std::sync::Arc;

use rusqlite::Connection;

use crate::storage::StoreError;
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::maintenance::work::Work;
use crate::storage::sqlite::writes::tombstones::{TABLES, Tombstone, delete_entries};

/// Tombstones read at a time: a megabyte.
const READ: usize = 1 << 15;

/// Deletes the entries of all deleted rows in the list indexes, and the tombstones.
pub(super) fn clear_tombstones(work: &Work<'_>, connection: &Connection) -> Result<(), StoreError> {
    for table in &TABLES {
        loop {
            let tombstones = table.read(connection, READ);
            let mut tombstones = tombstones.map_err(|error| read_error(&error))?;
            if tombstones.is_empty() {
                break;
            }
            for (statement, key) in table.work() {
                tombstones.sort_unstable_by_key(key);
                let rows: Arc<[Tombstone]> = tombstones.as_slice().into();
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
