//! Late indexes: which events and deliveries a workspace, an endpoint and a type have, for lists.
//!
//! An index that `SQLite` keeps takes every row at once. With a thousand endpoints a group of writes
//! then has a page for each row and index to read, to log, and to write again at the checkpoint: four
//! pages of 4 KB for an event of 300 bytes. So these are tables of their own, filled behind the rows: a
//! block of [`BLOCK`] rows is added in the order of the key, so that the entries of an endpoint go to
//! their page together.
//!
//! Not in one transaction, for that would hold the writer up: each group of writes adds a piece of the
//! block, as large as befits the rows that it brought, and the last one raises the number up to which
//! all rows are in. Readers pay no heed to entries beyond that number, and look for newer rows in the
//! tables themselves: less than two blocks of them. A block that was cut short by a crash or a
//! rollback is added again, over what is there of it. A tool that writes beside the server
//! leaves them alone. Should two add to the same block all the same, each raises the number only to what
//! it has added itself from an earlier value on: it may fall back, and is true all along.

use rusqlite::{Connection, params};

/// How many rows are added together. Twice and four times as many were no faster at a thousand endpoints;
/// and lists step over these rows one by one, a few milliseconds' worth.
const BLOCK: i64 = 1 << 13;

/// How many entries are added for each new row while a block is being added. A row has three, so a block
/// is in well before the next one is there.
const PACE: i64 = 4;

/// How many entries more each group adds while two blocks or more are missing. It takes restarts to get
/// there: a block that no run was long enough for begins anew with each. Three milliseconds' worth.
const CATCH_UP: usize = 2000;

/// By workspace, by endpoint, and by workspace and type.
const INDEXES: usize = 3;

/// A table with late indexes.
#[derive(Debug)]
struct Indexed {
    /// Its newest number.
    newest: &'static str,
    /// The number up to which all rows are in the indexes.
    through: &'static str,
    /// Raises it.
    raise: &'static str,
    /// The rows after that number, oldest first.
    rows: &'static str,
    /// Adds to each index. What is there already was left by an attempt that was cut short.
    insert: [&'static str; INDEXES],
}

macro_rules! indexed {
    ($table:literal) => {
        Indexed {
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

const EVENTS: Indexed = indexed!("event");
const DELIVERIES: Indexed = indexed!("delivery");

/// What the indexes say of a row.
#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: i64,
    workspace: i64,
    endpoint: i64,
    event_type: i64,
}

/// Rows on their way into the indexes.
#[derive(Debug)]
struct Block {
    entries: Vec<Entry>,
    /// The number of the last row.
    through: i64,
    /// The index that is being added to, and how many entries it has got.
    index: usize,
    added: usize,
}

impl Block {
    fn load(connection: &Connection, table: &Indexed, after: i64) -> rusqlite::Result<Self> {
        let entries: Vec<Entry> = connection
            .prepare_cached(table.rows)?
            .query_map([after, BLOCK], |row| {
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
        })
    }

    /// Adds `most` entries; answers how many were left to add of those.
    fn add(
        &mut self,
        connection: &Connection,
        table: &Indexed,
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

/// How far the indexes of one table are.
#[derive(Debug)]
struct Progress {
    table: &'static Indexed,
    /// The newest row when it was last looked at.
    newest: i64,
    /// All rows up to this number are in.
    through: i64,
    block: Option<Block>,
}

impl Progress {
    fn load(connection: &Connection, table: &'static Indexed) -> rusqlite::Result<Self> {
        let number = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok(Self {
            table,
            newest: number(table.newest)?,
            through: number(table.through)?,
            block: None,
        })
    }

    fn advance(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let newest: i64 = connection
            .prepare_cached(self.table.newest)?
            .query_row([], |row| row.get(0))?;
        let mut left = usize::try_from((newest - self.newest) * PACE).unwrap_or(0);
        self.newest = newest;
        if newest - self.through >= 2 * BLOCK {
            left += CATCH_UP;
        }
        while left > 0 {
            let block = match &mut self.block {
                Some(block) => block,
                None if newest - self.through < BLOCK => break,
                none => none.insert(Block::load(connection, self.table, self.through)?),
            };
            left = block.add(connection, self.table, left)?;
            if block.is_complete() {
                self.through = block.through;
                self.block = None;
                connection
                    .prepare_cached(self.table.raise)?
                    .execute([self.through])?;
            }
        }
        Ok(())
    }
}

/// How far the indexes of both tables are.
#[derive(Debug)]
pub(crate) struct LateIndexes {
    tables: [Progress; 2],
}

impl LateIndexes {
    /// Reads it from the file.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            tables: [
                Progress::load(connection, &EVENTS)?,
                Progress::load(connection, &DELIVERIES)?,
            ],
        })
    }

    /// Adds what is due after the rows of a group were written, in its transaction. If that is rolled
    /// back, this is void and has to be loaded anew.
    pub(crate) fn advance(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut tables = self.tables.iter_mut();
        tables.try_for_each(|table| table.advance(connection))
    }
}

#[cfg(test)]
mod tests;
