//! The deletion of the entries that deleted rows still have in the list indexes.
//!
//! An event or a delivery has an entry in each of three list indexes, a message in one. In the order of deletion, the entries of a thousand endpoints
//! are on a thousand pages. So the rows leave tombstones, of which many are taken together: an index's entries are
//! deleted in the order of its key, and the tombstones last. A crash only interrupts this, because tombstones stay
//! until all entries are gone.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};

/// The time after which a step begins no further entry.
const STEP_TIME: Duration = Duration::from_millis(2);

/// A table that leaves tombstones, and the statements for it.
#[derive(Debug)]
pub(crate) struct TombstoneTable {
    read: &'static str,
    /// The statements to run for each tombstone, in this order, and for each the key by which the rows are sorted
    /// first: it has the order of the table's. The last one deletes the tombstone itself.
    work: &'static [(&'static str, SortKey)],
}

macro_rules! tombstones_of {
    ($table:literal) => {
        TombstoneTable {
            read: concat!(
                "SELECT seq, workspace, endpoint, type FROM ",
                $table,
                "_tombstone ORDER BY seq LIMIT ?1"
            ),
            work: &[
                (
                    concat!(
                        "DELETE FROM ",
                        $table,
                        "_of_workspace WHERE workspace = ?2 AND seq = ?1"
                    ),
                    |Tombstone(row)| [row[1], 0, row[0]],
                ),
                (
                    concat!(
                        "DELETE FROM ",
                        $table,
                        "_of_endpoint WHERE endpoint = ?3 AND seq = ?1"
                    ),
                    |Tombstone(row)| [row[2], 0, row[0]],
                ),
                (
                    concat!(
                        "DELETE FROM ",
                        $table,
                        "_of_type WHERE workspace = ?2 AND type = ?4 AND seq = ?1"
                    ),
                    |Tombstone(row)| [row[1], row[3], row[0]],
                ),
                (
                    concat!("DELETE FROM ", $table, "_tombstone WHERE seq = ?1"),
                    |Tombstone(row)| [0, 0, row[0]],
                ),
            ],
        }
    };
}

/// The tables that leave tombstones. Those of messages have neither endpoint nor type.
pub(crate) static TABLES: [TombstoneTable; 3] = [
    tombstones_of!("event"),
    tombstones_of!("delivery"),
    TombstoneTable {
        read: "SELECT seq, workspace, 0, 0 FROM message_tombstone ORDER BY seq LIMIT ?1",
        work: &[
            (
                "DELETE FROM message_of_workspace WHERE workspace = ?2 AND seq = ?1",
                |Tombstone(row)| [row[1], 0, row[0]],
            ),
            (
                "DELETE FROM message_tombstone WHERE seq = ?1",
                |Tombstone(row)| [0, 0, row[0]],
            ),
        ],
    },
];

/// A tombstone: the row's number, workspace, endpoint and type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone([i64; 4]);

/// The key by which tombstones are sorted for a statement.
pub(crate) type SortKey = fn(&Tombstone) -> [i64; 3];

impl TombstoneTable {
    /// Reads at most `limit` tombstones.
    pub(crate) fn read(
        &self,
        connection: &Connection,
        limit: usize,
    ) -> rusqlite::Result<Vec<Tombstone>> {
        connection
            .prepare_cached(self.read)?
            .query_map([limit], |row| {
                Ok(Tombstone([
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                ]))
            })?
            .collect()
    }

    /// Returns the statements to run for each tombstone, in this order, and for each the key by which the rows are
    /// sorted first.
    pub(crate) fn work(&self) -> impl Iterator<Item = (&'static str, SortKey)> + use<> {
        self.work.iter().copied()
    }
}

/// Runs a statement for some of these rows, from the first one on. Returns their number: at least one.
pub(crate) fn delete_entries(
    context: &mut WriteContext<'_>,
    statement: &str,
    rows: &[Tombstone],
) -> Result<usize, OperationError> {
    let began = Instant::now();
    let mut delete = context.connection.prepare_cached(statement)?;
    let parameters = delete.parameter_count();
    let mut done = 0;
    for Tombstone(row) in rows {
        // A statement that names a later column binds those before it, too.
        for (value, at) in row.iter().zip(1..=parameters) {
            delete.raw_bind_parameter(at, value)?;
        }
        delete.raw_execute()?;
        done += 1;
        if began.elapsed() >= STEP_TIME {
            break;
        }
    }
    hit(FailPoint::Tombstones);
    Ok(done)
}
