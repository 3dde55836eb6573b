//! Secondary indexes for lists, filled in batches instead of on every insert.
//!
//! They lead from a workspace, an endpoint, or a workspace and type to events and deliveries. An ordinary
//! index of `SQLite` takes every row at once. With a thousand endpoints, a group of writes then reads, logs
//! and later moves one page for each row and index: four pages of 4 KB for an event of 300 bytes. So these
//! indexes are tables of their own. The writer adds a batch of [`BATCH_ROWS`] rows in the order of the key,
//! so that the entries of an endpoint go to their page together.
//!
//! One transaction for a whole batch would hold up the writer. So each group of writes adds a part of the
//! batch, in proportion to the rows that it wrote, and the last part raises the mark: the number up to
//! which all rows are in the index. Readers ignore entries above the mark and scan the table for newer
//! rows, of which there are fewer than two batches. A batch that a crash or a rollback interrupted is added
//! again, over its entries that are there. A tool that runs beside the server does not fill the indexes. If
//! two processes did add the same batch, each would store only the mark that it reached itself from an
//! earlier one: the mark could move backwards, but would never be wrong.

use std::collections::HashSet;

use rusqlite::{Connection, params};

/// The rows of a batch. Two and four times as many were no faster with a thousand endpoints, and lists step
/// over these rows one by one, which takes a few milliseconds.
const BATCH_ROWS: i64 = 1 << 13;

/// The entries added for each new row while a batch is being added. A row has three entries, so a batch is
/// complete well before the next one begins.
const PACE: i64 = 4;

/// The additional entries of each group while two batches or more are missing, which happens only after
/// restarts: a batch that a run did not complete begins anew in the next. They take three milliseconds.
const CATCH_UP: usize = 2000;

/// The indexes of a table: by workspace, by endpoint, and by workspace and type.
const INDEXES: usize = 3;

/// A table with list indexes, and the statements for them.
#[derive(Debug)]
struct IndexedTable {
    /// Finds its newest number.
    newest: &'static str,
    /// Reads the mark: the number up to which all rows are in the indexes.
    through: &'static str,
    /// Raises the mark.
    raise: &'static str,
    /// Reads the rows after the mark, oldest first.
    rows: &'static str,
    /// Adds an entry to each index, unless an interrupted batch has left it there.
    insert: [&'static str; INDEXES],
}

macro_rules! indexed {
    ($table:literal) => {
        IndexedTable {
            newest: concat!("SELECT coalesce(max(seq), 0) FROM ", $table),
            through: concat!("SELECT value FROM meta WHERE key = '", $table, "_indexed'"),
            raise: concat!(
                "UPDATE meta SET value = ? WHERE key = '",
                $table,
                "_indexed'"
            ),
            rows: concat!(
                "SELECT seq, workspace, endpoint, type FROM ",
                $table,
                " NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?"
            ),
            insert: [
                concat!(
                    "INSERT OR IGNORE INTO ",
                    $table,
                    "_of_workspace (workspace, seq) VALUES (?1, ?4)"
                ),
                concat!(
                    "INSERT OR IGNORE INTO ",
                    $table,
                    "_of_endpoint (endpoint, seq, type) VALUES (?2, ?4, ?3)"
                ),
                concat!(
                    "INSERT OR IGNORE INTO ",
                    $table,
                    "_of_type (workspace, type, seq) VALUES (?1, ?3, ?4)"
                ),
            ],
        }
    };
}

const EVENTS: IndexedTable = indexed!("event");
const DELIVERIES: IndexedTable = indexed!("delivery");

/// A row, as the indexes have it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: i64,
    workspace: i64,
    endpoint: i64,
    event_type: i64,
}

/// A batch: rows that are being added to the indexes.
#[derive(Debug)]
struct Batch {
    entries: Vec<Entry>,
    /// The number of the last row.
    through: i64,
    /// The index that is being filled, and the entries that were added to it.
    index: usize,
    added: usize,
    /// Rows that were deleted since: entries of theirs that are in an index already go with their tombstones.
    deleted: HashSet<i64>,
}

impl Batch {
    fn load(connection: &Connection, table: &IndexedTable, after: i64) -> rusqlite::Result<Self> {
        let entries: Vec<Entry> = connection
            .prepare_cached(table.rows)?
            .query_map([after, BATCH_ROWS], |row| {
                Ok(Entry {
                    seq: row.get(0)?,
                    workspace: row.get(1)?,
                    endpoint: row.get(2)?,
                    event_type: row.get(3)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            through: entries.last().map_or(after, |entry| entry.seq),
            entries,
            index: 0,
            added: 0,
            deleted: HashSet::new(),
        })
    }

    /// Adds up to `most` entries. Returns the part of `most` that is left when the batch is complete.
    fn add(
        &mut self,
        connection: &Connection,
        table: &IndexedTable,
        most: usize,
    ) -> rusqlite::Result<usize> {
        let mut left = most;
        while left > 0 && !self.is_complete() {
            if self.added == 0 {
                let key = |entry: &Entry| match self.index {
                    0 => (entry.workspace, 0, entry.seq),
                    1 => (entry.endpoint, 0, entry.seq),
                    _ => (entry.workspace, entry.event_type, entry.seq),
                };
                self.entries.sort_unstable_by_key(key);
            }
            let mut insert = connection.prepare_cached(table.insert[self.index])?;
            let end = self.entries.len().min(self.added + left);
            for entry in &self.entries[self.added..end] {
                if self.deleted.contains(&entry.seq) {
                    continue;
                }
                insert.execute(params![
                    entry.workspace,
                    entry.endpoint,
                    entry.event_type,
                    entry.seq
                ])?;
            }
            left -= end - self.added;
            self.added = end;
            if end == self.entries.len() {
                self.index += 1;
                self.added = 0;
            }
        }
        Ok(left)
    }

    const fn is_complete(&self) -> bool {
        self.index == INDEXES
    }
}

/// The progress of the indexes of one table.
#[derive(Debug)]
struct Progress {
    table: &'static IndexedTable,
    /// The newest row, as of the last look.
    newest: i64,
    /// The mark: all rows up to this number are in.
    through: i64,
    batch: Option<Batch>,
}

impl Progress {
    fn load(connection: &Connection, table: &'static IndexedTable) -> rusqlite::Result<Self> {
        let number = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok(Self {
            table,
            newest: number(table.newest)?,
            through: number(table.through)?,
            batch: None,
        })
    }

    fn note_deleted(&mut self, seq: i64) {
        if let Some(batch) = &mut self.batch
            && seq > self.through
            && seq <= batch.through
        {
            batch.deleted.insert(seq);
        }
    }

    fn advance(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let newest: i64 = connection
            .prepare_cached(self.table.newest)?
            .query_row([], |row| row.get(0))?;
        let mut left = usize::try_from((newest - self.newest) * PACE).unwrap_or(0);
        self.newest = newest;
        if newest - self.through >= 2 * BATCH_ROWS {
            left += CATCH_UP;
        }
        while left > 0 {
            let batch = match &mut self.batch {
                Some(batch) => batch,
                None if newest - self.through < BATCH_ROWS => break,
                none => none.insert(Batch::load(connection, self.table, self.through)?),
            };
            left = batch.add(connection, self.table, left)?;
            if batch.is_complete() {
                self.through = batch.through;
                self.batch = None;
                connection
                    .prepare_cached(self.table.raise)?
                    .execute([self.through])?;
            }
        }
        Ok(())
    }
}

/// The progress of the list indexes of both tables.
#[derive(Debug)]
pub(crate) struct ListIndexes {
    /// The progress for events, and the one for deliveries.
    tables: [Progress; 2],
}

impl ListIndexes {
    /// Reads the progress from the file.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            tables: [
                Progress::load(connection, &EVENTS)?,
                Progress::load(connection, &DELIVERIES)?,
            ],
        })
    }

    /// Notes that an event was deleted, so that it is not added from now on.
    pub(crate) fn event_deleted(&mut self, seq: i64) {
        self.tables[0].note_deleted(seq);
    }

    /// Notes that a delivery was deleted, so that it is not added from now on.
    pub(crate) fn delivery_deleted(&mut self, seq: i64) {
        self.tables[1].note_deleted(seq);
    }

    /// Returns the number up to which deliveries are in the indexes.
    pub(super) const fn deliveries_through(&self) -> i64 {
        self.tables[1].through
    }

    /// Adds the entries that are due after a group, in the group's transaction. If that transaction is rolled
    /// back, the progress must be loaded again.
    pub(crate) fn advance(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut tables = self.tables.iter_mut();
        tables.try_for_each(|table| table.advance(connection))
    }
}

#[cfg(test)]
mod tests;
