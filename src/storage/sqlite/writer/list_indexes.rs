//! Secondary indexes for lists, filled in batches instead of on every insert.
//!
//! They lead from a workspace, an endpoint, or a workspace and type to events and deliveries, and from a
//! workspace to messages. An ordinary
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

use super::message_counts::{CountedMessage, MessageCounts};

/// The rows of a batch. Two and four times as many were no faster with a thousand endpoints, and lists step
/// over these rows one by one, which takes a few milliseconds.
const BATCH_ROWS: i64 = 1 << 13;

/// The entries added for each new row while a batch is being added. A row has three entries, so a batch is
/// complete well before the next one begins.
const PACE: i64 = 4;

/// The additional entries of each group while two batches or more are missing, which happens only after
/// restarts: a batch that a run did not complete begins anew in the next. They take three milliseconds.
const CATCH_UP: usize = 2000;

/// The rows of a batch of messages. Lists step over the rows that are not in the index yet, and a row of a message
/// has its body: they are few, so that this takes no longer than with the other tables.
const MESSAGE_BATCH_ROWS: i64 = BATCH_ROWS / 2;

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
    /// The rows of a batch.
    batch_rows: i64,
    /// Its indexes, in the order in which a batch is added to them.
    indexes: &'static [ListIndex],
}

/// A list index.
#[derive(Debug)]
struct ListIndex {
    /// Adds an entry, unless an interrupted batch has left it there.
    insert: &'static str,
    /// The order of its key.
    key: fn(&Entry) -> (i64, i64, i64),
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
                "SELECT seq, workspace, endpoint, type, true FROM ",
                $table,
                " NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?"
            ),
            batch_rows: BATCH_ROWS,
            indexes: &[
                ListIndex {
                    insert: concat!(
                        "INSERT OR IGNORE INTO ",
                        $table,
                        "_of_workspace (workspace, seq) VALUES (?1, ?4)"
                    ),
                    key: |entry| (entry.workspace, 0, entry.seq),
                },
                ListIndex {
                    insert: concat!(
                        "INSERT OR IGNORE INTO ",
                        $table,
                        "_of_endpoint (endpoint, seq, type) VALUES (?2, ?4, ?3)"
                    ),
                    key: |entry| (entry.endpoint, 0, entry.seq),
                },
                ListIndex {
                    insert: concat!(
                        "INSERT OR IGNORE INTO ",
                        $table,
                        "_of_type (workspace, type, seq) VALUES (?1, ?3, ?4)"
                    ),
                    key: |entry| (entry.workspace, entry.event_type, entry.seq),
                },
            ],
        }
    };
}

const EVENTS: IndexedTable = indexed!("event");
const DELIVERIES: IndexedTable = indexed!("delivery");
const MESSAGES: IndexedTable = IndexedTable {
    rows: "SELECT seq, workspace, 0, type, events > 0 FROM message NOT INDEXED
           WHERE seq > ? ORDER BY seq LIMIT ?",
    batch_rows: MESSAGE_BATCH_ROWS,
    indexes: &[ListIndex {
        insert: "INSERT OR IGNORE INTO message_of_workspace (workspace, seq, type) VALUES (?1, ?4, ?3)",
        key: |entry| (entry.workspace, 0, entry.seq),
    }],
    ..indexed!("message")
};

/// A row, as the indexes have it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: i64,
    workspace: i64,
    /// 0 for a message.
    endpoint: i64,
    event_type: i64,
    /// Set unless it is a message without events.
    is_routed: bool,
}

impl Entry {
    const fn counted(&self) -> CountedMessage {
        CountedMessage {
            workspace: self.workspace,
            event_type: self.event_type,
            is_routed: self.is_routed,
        }
    }
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
            .query_map([after, table.batch_rows], |row| {
                Ok(Entry {
                    seq: row.get(0)?,
                    workspace: row.get(1)?,
                    endpoint: row.get(2)?,
                    event_type: row.get(3)?,
                    is_routed: row.get(4)?,
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
        while left > 0
            && let Some(index) = table.indexes.get(self.index)
        {
            if self.added == 0 {
                self.entries.sort_unstable_by_key(index.key);
            }
            let mut insert = connection.prepare_cached(index.insert)?;
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

    const fn is_complete(&self, table: &IndexedTable) -> bool {
        self.index == table.indexes.len()
    }

    /// Returns the rows that were not deleted since.
    fn kept(&self) -> impl Iterator<Item = &Entry> {
        let is_kept = |entry: &&Entry| !self.deleted.contains(&entry.seq);
        self.entries.iter().filter(is_kept)
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

    /// Returns the batch that is being added, if row `seq` is in it.
    fn batch_of(&mut self, seq: i64) -> Option<&mut Batch> {
        let is_later = seq > self.through;
        let batch = self.batch.as_mut()?;
        (is_later && seq <= batch.through).then_some(batch)
    }

    fn note_deleted(&mut self, seq: i64) {
        if let Some(batch) = self.batch_of(seq) {
            batch.deleted.insert(seq);
        }
    }

    /// Reports whether so many rows are missing that a batch is added whether or not there are new rows.
    const fn is_behind(&self) -> bool {
        self.newest - self.through >= 2 * self.table.batch_rows
    }

    /// Adds the entries that are due. Calls `counted` with each row of a batch that is complete.
    fn advance(
        &mut self,
        connection: &Connection,
        mut counted: impl FnMut(&Entry),
    ) -> rusqlite::Result<()> {
        let newest: i64 = connection
            .prepare_cached(self.table.newest)?
            .query_row([], |row| row.get(0))?;
        let mut left = usize::try_from((newest - self.newest) * PACE).unwrap_or(0);
        self.newest = newest;
        if self.is_behind() {
            left += CATCH_UP;
        }
        while left > 0 {
            let batch = match &mut self.batch {
                Some(batch) => batch,
                None if newest - self.through < self.table.batch_rows => break,
                none => none.insert(Batch::load(connection, self.table, self.through)?),
            };
            left = batch.add(connection, self.table, left)?;
            if batch.is_complete(self.table) {
                batch.kept().for_each(&mut counted);
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

/// The progress of the list indexes of all tables.
#[derive(Debug)]
pub(crate) struct ListIndexes {
    events: Progress,
    deliveries: Progress,
    messages: Progress,
    /// Changes of the counters of messages, which count what is in the index.
    message_counts: MessageCounts,
}

impl ListIndexes {
    /// Reads the progress from the file.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            events: Progress::load(connection, &EVENTS)?,
            deliveries: Progress::load(connection, &DELIVERIES)?,
            messages: Progress::load(connection, &MESSAGES)?,
            message_counts: MessageCounts::default(),
        })
    }

    /// Notes that an event was deleted, so that it is not added from now on.
    pub(crate) fn event_deleted(&mut self, seq: i64) {
        self.events.note_deleted(seq);
    }

    /// Notes that a delivery was deleted, so that it is not added from now on.
    pub(crate) fn delivery_deleted(&mut self, seq: i64) {
        self.deliveries.note_deleted(seq);
    }

    /// Returns the number up to which deliveries are in the indexes.
    pub(super) const fn deliveries_through(&self) -> i64 {
        self.deliveries.through
    }

    /// Notes that a message was deleted: it is not added from now on, or not counted any more.
    pub(crate) fn message_deleted(
        &mut self,
        seq: i64,
        workspace: i64,
        event_type: i64,
        is_routed: bool,
    ) {
        if seq > self.messages.through {
            self.messages.note_deleted(seq);
            return;
        }
        let message = CountedMessage {
            workspace,
            event_type,
            is_routed,
        };
        self.message_counts.add(seq, message, -1);
    }

    /// Notes that a message that had no event has got its first one.
    pub(crate) fn message_routed(&mut self, seq: i64, workspace: i64, event_type: i64) {
        if seq > self.messages.through {
            if let Some(batch) = self.messages.batch_of(seq)
                && let Some(entry) = batch.entries.iter_mut().find(|entry| entry.seq == seq)
            {
                entry.is_routed = true;
            }
            return;
        }
        for (is_routed, delta) in [(false, -1), (true, 1)] {
            let message = CountedMessage {
                workspace,
                event_type,
                is_routed,
            };
            self.message_counts.add(seq, message, delta);
        }
    }

    /// Reports whether the indexes lack so much that the writer should go on without other work.
    pub(super) const fn are_behind(&self) -> bool {
        self.events.is_behind() || self.deliveries.is_behind() || self.messages.is_behind()
    }

    /// Adds the entries that are due after a group, in the group's transaction. If that transaction is rolled
    /// back, the progress must be loaded again.
    pub(crate) fn advance(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.events.advance(connection, |_| {})?;
        self.deliveries.advance(connection, |_| {})?;
        let counts = &mut self.message_counts;
        self.messages.advance(connection, |entry| {
            counts.add(entry.seq, entry.counted(), 1);
        })?;
        counts.write(connection)
    }
}

#[cfg(test)]
mod tests;
