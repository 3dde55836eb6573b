//! Counter blocks, counted anew from the rows and compared with the counter tables.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row, Rows, Statement, params};

use super::tables::GrowingTable;
use crate::storage::sqlite::writer::counters::{BLOCK, CountScope, block_of};

/// A counter of a block: scope, type, and state or class.
type Counter = (i64, i64, i64);

/// The rows of a block that are alike, for all of their scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Alike {
    endpoint: i64,
    workspace: i64,
    event_type: i64,
    kind: i64,
}

/// The rows of one block, counted.
#[derive(Debug, Default)]
pub(super) struct BlockCount(HashMap<Alike, i64>);

impl BlockCount {
    pub(super) fn count(&mut self, endpoint: i64, workspace: i64, event_type: i64, kind: i64) {
        let alike = Alike {
            endpoint,
            workspace,
            event_type,
            kind,
        };
        *self.0.entry(alike).or_default() += 1;
    }

    /// Returns the counters that the block must have.
    fn counters(&self) -> BTreeMap<Counter, i64> {
        let mut counters = BTreeMap::new();
        for (alike, count) in &self.0 {
            for scope in [
                CountScope::endpoint(alike.endpoint),
                CountScope::workspace(alike.workspace),
                CountScope::SERVER,
            ] {
                let counter = (scope.stored(), alike.event_type, alike.kind);
                *counters.entry(counter).or_default() += count;
            }
        }
        counters
    }
}

/// The counter table, read block by block beside the rows.
pub(super) struct StoredCounters<'s> {
    rows: Rows<'s>,
    /// The row that was read last: its block, and the counter.
    next: Option<(i64, Counter, i64)>,
}

/// Returns the statement that reads a counter table in its order.
pub(super) fn stored_counters<'c>(
    connection: &'c Connection,
    table: &GrowingTable,
) -> rusqlite::Result<Statement<'c>> {
    let (counters, kind) = (table.counters, table.kind_column);
    connection.prepare(&format!(
        "SELECT block, scope, type, {kind}, count FROM {counters} ORDER BY block"
    ))
}

impl<'s> StoredCounters<'s> {
    pub(super) fn new(rows: Rows<'s>) -> rusqlite::Result<Self> {
        let mut stored = Self { rows, next: None };
        stored.advance()?;
        Ok(stored)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, counter(row, 1)?, row.get(4)?)),
            None => None,
        };
        Ok(())
    }

    /// Compares the counters of `block` with its rows, and those of earlier blocks that were not compared with
    /// none. Notes blocks that differ in `wrong`.
    pub(super) fn compare(
        &mut self,
        block: i64,
        count: &BlockCount,
        wrong: &mut Vec<i64>,
    ) -> rusqlite::Result<()> {
        let mut left = count.counters();
        let mut differs = false;
        while let Some((of, counter, stored)) = self.next
            && of <= block
        {
            if of < block {
                note(of, stored == 0, wrong);
            } else {
                differs |= left.remove(&counter).unwrap_or(0) != stored;
            }
            self.advance()?;
        }
        note(block, !differs && left.is_empty(), wrong);
        Ok(())
    }

    /// Notes the blocks after the last that was compared, which have no complete rows: their counters must be 0.
    pub(super) fn finish(mut self, wrong: &mut Vec<i64>) -> rusqlite::Result<()> {
        while let Some((of, _, stored)) = self.next {
            note(of, stored == 0, wrong);
            self.advance()?;
        }
        Ok(())
    }
}

fn note(block: i64, is_right: bool, wrong: &mut Vec<i64>) {
    if !is_right && wrong.last() != Some(&block) {
        wrong.push(block);
    }
}

fn counter(row: &Row<'_>, at: usize) -> rusqlite::Result<Counter> {
    Ok((row.get(at)?, row.get(at + 1)?, row.get(at + 2)?))
}

/// Counts a block anew, within the caller's transaction: all of it, or nothing if it is the newest one, which is
/// counted in memory only.
pub(super) fn count_again(
    connection: &Connection,
    table: &GrowingTable,
    block: i64,
) -> rusqlite::Result<()> {
    let (name, counters, kind) = (table.name, table.counters, table.kind_column);
    let delete = format!("DELETE FROM {counters} WHERE block = ?1");
    connection.prepare_cached(&delete)?.execute([block])?;
    if block >= newest_block(connection, table)? {
        return Ok(());
    }
    let select = format!(
        "SELECT endpoint, workspace, type, {} FROM {name} NOT INDEXED WHERE seq >= ?1 AND seq < ?2",
        table.kind
    );
    let mut count = BlockCount::default();
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query([block * BLOCK, (block + 1) * BLOCK])?;
    while let Some(row) = rows.next()? {
        count.count(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    }
    let mut insert = connection.prepare_cached(&format!(
        "INSERT INTO {counters} (block, scope, type, {kind}, count) VALUES (?1, ?2, ?3, ?4, ?5)"
    ))?;
    for ((scope, event_type, kind), count) in count.counters() {
        insert.execute(params![block, scope, event_type, kind, count])?;
    }
    Ok(())
}

/// Returns the block of the newest number, which has no counters yet. The row with that number may be deleted.
pub(super) fn newest_block(connection: &Connection, table: &GrowingTable) -> rusqlite::Result<i64> {
    let name = table.name;
    let newest = format!(
        "SELECT max(coalesce((SELECT max(seq) FROM {name}), 0),
                    coalesce((SELECT value FROM meta WHERE key = 'last_{name}'), 0))"
    );
    let newest = connection.query_row(&newest, [], |row| row.get(0))?;
    Ok(block_of(newest))
}
