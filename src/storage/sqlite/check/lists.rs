//! List indexes, compared with the rows that they lead to.
//!
//! The keys of an index are in another order than the rows, and sorting all of them would take memory or a file
//! of the size of the table. So the comparison adds up, for each block of numbers, a hash of each entry: once
//! over the rows, and once over the index. Sums do not depend on the order. Only the blocks whose sums differ are
//! then compared entry by entry. Two different sets of entries have the same sum once in 2^64 times.
//!
//! Entries above the mark are left out: the index is not complete there. Rows that were deleted may still have
//! entries; these have their number in a table of tombstones.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params};

use super::problem::{Found, Kind};
use super::progress::Progress;
use super::tables::{GrowingTable, LISTS, List};
use crate::storage::sqlite::writer::counters::{BLOCK, block_of};

/// The words of a set of the numbers of one block.
const WORDS: usize = 512;
const _: () = assert!(BLOCK == 512 * 64, "a bit for each number of a block");

/// An entry: the owner, the row's number, and the type; 0 if the index has none.
pub(super) type Entry = (i64, i64, i64);

/// The numbers of rows that were deleted: one bit for each number of a block that has any.
#[derive(Debug, Default)]
pub(super) struct Tombstones(HashMap<i64, Box<[u64; WORDS]>>);

impl Tombstones {
    /// Reads the tombstones of a table.
    pub(super) fn load(connection: &Connection, table: &GrowingTable) -> rusqlite::Result<Self> {
        Self::load_from(connection, table.tombstones)
    }

    /// Reads a table of tombstones.
    pub(super) fn load_from(connection: &Connection, name: &str) -> rusqlite::Result<Self> {
        let mut tombstones = Self::default();
        let mut select = connection.prepare(&format!("SELECT seq FROM {name}"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (block, word, bit) = place(row.get(0)?);
            let words = tombstones.0.entry(block);
            words.or_insert_with(|| Box::new([0; WORDS]))[word] |= bit;
        }
        Ok(tombstones)
    }

    pub(super) fn has(&self, seq: i64) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let (block, word, bit) = place(seq);
        self.0
            .get(&block)
            .is_some_and(|words| words[word] & bit != 0)
    }
}

/// Returns the block of a number, and its word and bit in the set of the block.
fn place(seq: i64) -> (i64, usize, u64) {
    let within = usize::try_from(seq.rem_euclid(BLOCK)).unwrap_or(0);
    (block_of(seq), within / 64, 1 << (within % 64))
}

/// The sums of hashes of the list indexes of a table, by block.
#[derive(Debug)]
pub(super) struct ListSums {
    /// The number up to which the indexes are complete.
    through: i64,
    tombstones: Tombstones,
    sums: [HashMap<i64, u64>; LISTS.len()],
}

/// The blocks in which an index and its rows differ.
pub(super) type WrongBlocks = BTreeMap<usize, BTreeSet<i64>>;

impl ListSums {
    pub(super) fn new(connection: &Connection, table: &GrowingTable) -> rusqlite::Result<Self> {
        Ok(Self {
            through: mark(connection, table)?,
            tombstones: Tombstones::load(connection, table)?,
            sums: Default::default(),
        })
    }

    /// Adds the entries that a row must have.
    pub(super) fn add_row(&mut self, seq: i64, workspace: i64, endpoint: i64, event_type: i64) {
        if seq > self.through {
            return;
        }
        let entries = [
            (workspace, seq, 0),
            (endpoint, seq, event_type),
            (workspace, seq, event_type),
        ];
        for (sums, entry) in self.sums.iter_mut().zip(entries) {
            let sum = sums.entry(block_of(seq)).or_default();
            *sum = sum.wrapping_add(hash(entry));
        }
    }

    /// Takes off the entries that are there, and returns the blocks whose sums are not 0 then.
    pub(super) fn compare(
        mut self,
        connection: &Connection,
        table: &GrowingTable,
        progress: &mut Progress<'_>,
    ) -> rusqlite::Result<WrongBlocks> {
        let mut wrong = WrongBlocks::new();
        for (at, list) in LISTS.iter().enumerate() {
            let sums = &mut self.sums[at];
            let mut select = connection.prepare(&entries_of(table, list))?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                progress.advance();
                let entry = (row.get(0)?, row.get(1)?, row.get(2)?);
                if entry.1 > self.through || self.tombstones.has(entry.1) {
                    continue;
                }
                let sum = sums.entry(block_of(entry.1)).or_default();
                *sum = sum.wrapping_sub(hash(entry));
            }
            let blocks: BTreeSet<i64> = sums
                .iter()
                .filter_map(|(block, sum)| (*sum != 0).then_some(*block))
                .collect();
            if !blocks.is_empty() {
                wrong.insert(at, blocks);
            }
        }
        Ok(wrong)
    }
}

/// Notes the tombstones of rows that are there, whose entries would be deleted.
pub(super) fn check_tombstones(
    connection: &Connection,
    table: &GrowingTable,
    found: &mut Found,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare(&tombstones_of_rows(table))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        found.note(Kind::WrongTombstone, || format!("{} {seq}", table.name));
    }
    Ok(())
}

/// Deletes such tombstones; returns their number.
pub(super) fn delete_wrong_tombstones(
    connection: &Connection,
    table: &GrowingTable,
) -> rusqlite::Result<usize> {
    let rows = tombstones_of_rows(table);
    let delete = format!("DELETE FROM {} WHERE seq IN ({rows})", table.tombstones);
    connection.execute(&delete, [])
}

fn tombstones_of_rows(table: &GrowingTable) -> String {
    let (tombstones, name) = (table.tombstones, table.name);
    format!("SELECT t.seq FROM {tombstones} t CROSS JOIN {name} r ON r.seq = t.seq")
}

/// Returns the number up to which the list indexes of a table are complete.
pub(super) fn mark(connection: &Connection, table: &GrowingTable) -> rusqlite::Result<i64> {
    let mark: Option<i64> = connection
        .query_row(
            "SELECT value FROM meta WHERE key = ?1",
            [table.mark],
            |row| row.get(0),
        )
        .optional()?;
    Ok(mark.unwrap_or(0))
}

fn entries_of(table: &GrowingTable, list: &List) -> String {
    let columns = list.columns.join(", ");
    format!("SELECT {columns} FROM {}_{}", table.name, list.end)
}

/// Mixes the numbers of an entry.
fn hash((owner, seq, event_type): Entry) -> u64 {
    mix([owner, seq, event_type])
}

/// Mixes numbers (the finaliser of `SplitMix64`, once for each).
pub(super) fn mix(numbers: impl IntoIterator<Item = i64>) -> u64 {
    let mut state = 0;
    for number in numbers {
        let mut z: u64 = number.cast_unsigned().wrapping_add(state);
        z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state = z ^ (z >> 31);
    }
    state
}

/// Calls `found` with each entry of some blocks of an index that no row has. Stops when it returns false.
pub(super) fn wrong_entries(
    connection: &Connection,
    table: &GrowingTable,
    list: &List,
    blocks: &BTreeSet<i64>,
    mut found: impl FnMut(Entry) -> bool,
) -> rusqlite::Result<()> {
    let through = mark(connection, table)?;
    let tombstones = Tombstones::load(connection, table)?;
    let mut row_of = connection.prepare(&format!(
        "SELECT {} FROM {} WHERE seq = ?1",
        list.columns.join(", "),
        table.name
    ))?;
    let mut select = connection.prepare(&entries_of(table, list))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let entry: Entry = (row.get(0)?, row.get(1)?, row.get(2)?);
        let seq = entry.1;
        if seq > through || !blocks.contains(&block_of(seq)) || tombstones.has(seq) {
            continue;
        }
        let right: Option<Entry> = row_of
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        if right != Some(entry) && !found(entry) {
            return Ok(());
        }
    }
    Ok(())
}

/// Calls `found` with each entry that the rows of a block must have and that is not in the index.
pub(super) fn missing_entries(
    connection: &Connection,
    table: &GrowingTable,
    list: &List,
    block: i64,
    mut found: impl FnMut(Entry),
) -> rusqlite::Result<()> {
    let through = mark(connection, table)?;
    let mut entry_of = connection.prepare_cached(&format!(
        "SELECT 1 FROM {}_{} WHERE {}",
        table.name, list.end, list.key
    ))?;
    let mut select = connection.prepare_cached(&format!(
        "SELECT {} FROM {} NOT INDEXED WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
        list.columns.join(", "),
        table.name
    ))?;
    let mut rows = select.query([block * BLOCK, through.min((block + 1) * BLOCK - 1)])?;
    while let Some(row) = rows.next()? {
        let entry: Entry = (row.get(0)?, row.get(1)?, row.get(2)?);
        if !entry_of.exists(params![entry.0, entry.1, entry.2])? {
            found(entry);
        }
    }
    Ok(())
}

/// Names the entries that are wrong in the blocks that differ.
pub(super) fn describe(
    connection: &Connection,
    table: &GrowingTable,
    wrong: &WrongBlocks,
    found: &mut Found,
) -> rusqlite::Result<()> {
    for (at, blocks) in wrong {
        let list = &LISTS[*at];
        let name = |entry: Entry| format!("{} in {}_{}", entry.1, table.name, list.end);
        wrong_entries(connection, table, list, blocks, |entry| {
            found.note(Kind::WrongEntry, || name(entry));
            true
        })?;
        for block in blocks {
            missing_entries(connection, table, list, *block, |entry| {
                found.note(Kind::MissingEntry, || name(entry));
            })?;
        }
    }
    Ok(())
}
