//! The list index and the counters of messages, compared with the rows.
//!
//! Both are complete up to the same mark, `message_indexed` in `meta`. As with the [other list indexes](super::lists),
//! hashes are added up for each block of numbers: once over the rows, and once over what is stored. A repair does not
//! look for the wrong entries: it sets the mark to 0, and the writer of the next server fills both anew.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::lists::{Tombstones, mix};
use super::problem::{Found, Kind};
use super::progress::Progress;
use crate::storage::sqlite::writer::counters::{CountScope, block_of};

/// The tombstones of messages that are there.
const TOMBSTONES_OF_ROWS: &str =
    "SELECT t.seq FROM message_tombstone t CROSS JOIN message m ON m.seq = t.seq";

/// The sums of a table, by block.
type Sums = HashMap<i64, u64>;

fn add(sums: &mut Sums, block: i64, hash: u64) {
    let sum = sums.entry(block).or_default();
    *sum = sum.wrapping_add(hash);
}

/// Returns the hash of a counter. Counters of one kind add up, so the hash does, too.
fn counter(scope: i64, event_type: i64, routed: i64, count: i64) -> u64 {
    mix([scope, event_type, routed]).wrapping_mul(count.cast_unsigned())
}

/// The sums of what is derived from messages.
#[derive(Debug)]
pub(super) struct MessageSums {
    /// The number up to which the index is complete.
    through: i64,
    tombstones: Tombstones,
    entries: Sums,
    counters: Sums,
}

impl MessageSums {
    /// Begins a comparison, and notes the tombstones of rows that are there, whose entries would be deleted.
    pub(super) fn new(connection: &Connection, found: &mut Found) -> rusqlite::Result<Self> {
        let mark: Option<i64> = connection
            .prepare_cached("SELECT value FROM meta WHERE key = 'message_indexed'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let mut select = connection.prepare(TOMBSTONES_OF_ROWS)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            found.note(Kind::WrongTombstone, || format!("message {seq}"));
        }
        Ok(Self {
            through: mark.unwrap_or(0),
            tombstones: Tombstones::load_from(connection, "message_tombstone")?,
            entries: Sums::new(),
            counters: Sums::new(),
        })
    }

    /// Adds the entry and the counters that a row must have.
    pub(super) fn add_row(&mut self, seq: i64, workspace: i64, event_type: i64, routed: i64) {
        if seq > self.through {
            return;
        }
        let block = block_of(seq);
        add(&mut self.entries, block, mix([workspace, seq, event_type]));
        for scope in [CountScope::workspace(workspace), CountScope::SERVER] {
            let hash = counter(scope.stored(), event_type, routed, 1);
            add(&mut self.counters, block, hash);
        }
    }

    /// Takes off what is stored, and notes the blocks whose sums are not 0 then.
    pub(super) fn compare(
        mut self,
        connection: &Connection,
        found: &mut Found,
        progress: &mut Progress<'_>,
    ) -> rusqlite::Result<()> {
        let mut select =
            connection.prepare("SELECT workspace, seq, type FROM message_of_workspace")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            progress.advance();
            let seq: i64 = row.get(1)?;
            if seq <= self.through && !self.tombstones.has(seq) {
                let hash = mix([row.get(0)?, seq, row.get(2)?]);
                add(&mut self.entries, block_of(seq), hash.wrapping_neg());
            }
        }
        let mut select =
            connection.prepare("SELECT block, scope, type, routed, count FROM message_count")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let hash = counter(row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            add(&mut self.counters, row.get(0)?, hash.wrapping_neg());
        }
        for (kind, sums) in [
            (Kind::MessageList, self.entries),
            (Kind::MessageCounters, self.counters),
        ] {
            let wrong = sums.into_iter().filter(|(_, sum)| *sum != 0);
            let mut blocks: Vec<i64> = wrong.map(|(block, _)| block).collect();
            blocks.sort_unstable();
            for block in blocks {
                found.note_row(kind, block);
            }
        }
        Ok(())
    }
}

/// Empties the list index and the counters, within the caller's transaction.
pub(super) fn begin_anew(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DELETE FROM message_of_workspace;
         DELETE FROM message_count;
         INSERT OR REPLACE INTO meta (key, value) VALUES ('message_indexed', 0);",
    )
}

/// Deletes the tombstones of messages that are there; returns their number.
pub(super) fn delete_wrong_tombstones(connection: &Connection) -> rusqlite::Result<usize> {
    let delete = format!("DELETE FROM message_tombstone WHERE seq IN ({TOMBSTONES_OF_ROWS})");
    connection.execute(&delete, [])
}
