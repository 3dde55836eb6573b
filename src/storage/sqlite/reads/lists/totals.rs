//! Exact totals without counting every row.

use std::fmt::Write;

use rusqlite::{Connection, params_from_iter};

use super::plan::ScanPlan;
use super::scope::{Scope, indexed_through};
use super::statement::{Table, prepare};
use super::time_range::{Interval, SeqRange, extent};
use crate::storage::sqlite::writer::counters::{BLOCK, block_of};

/// A condition on the last column of the counters' key, the class of a delivery or the state of an
/// event, and its value.
pub(crate) type Kind = (&'static str, i64);

/// Consecutive complete blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// The first one.
    first: i64,
    /// The one after the last.
    end: i64,
}

impl Blocks {
    /// Splits `range` into the blocks that lie in it as a whole and have counters, and the rest. `rows` is
    /// the range from the first row of the table to its last; the blocks before `counted` have counters.
    fn split(range: SeqRange, rows: SeqRange, counted: i64) -> (Option<Self>, Vec<SeqRange>) {
        let range = range.and(rows);
        if range.is_empty() {
            return (None, Vec::new());
        }
        let blocks = Self {
            // There is nothing before the first row, so its block counts as a whole one.
            first: if range.above == rows.above {
                block_of(rows.above + 1)
            } else {
                block_of(range.above + BLOCK)
            },
            end: block_of(range.below).min(counted),
        };
        if blocks.first >= blocks.end {
            return (None, vec![range]);
        }
        let before = SeqRange {
            below: blocks.first * BLOCK,
            ..range
        };
        let after = SeqRange {
            above: blocks.end * BLOCK - 1,
            ..range
        };
        let edges = [before, after].into_iter().filter(|edge| !edge.is_empty());
        (Some(blocks), edges.collect())
    }

    /// Returns their numbers.
    pub(crate) const fn range(self) -> SeqRange {
        SeqRange {
            above: self.first * BLOCK - 1,
            below: self.end * BLOCK,
        }
    }
}

/// Returns the first block of a table, with `rows` from its first to its last, that has no counters yet.
fn first_uncounted(connection: &Connection, table: Table, rows: SeqRange) -> rusqlite::Result<i64> {
    Ok(match table {
        // The newest block has none.
        Table::Event | Table::Delivery => block_of(rows.below - 1),
        // Messages are counted when they are added to their list index.
        Table::Message => block_of(indexed_through(connection, table)? + 1),
    })
}

/// Returns the number of rows of `plan` that were made in `interval`: the counters of the blocks that lie in
/// it as a whole, and the edges counted on the indexes. `counted` returns the sum of the blocks' counters.
pub(crate) fn total(
    connection: &Connection,
    table: Table,
    plan: &ScanPlan,
    interval: Interval,
    counted: impl FnOnce(&[Blocks]) -> rusqlite::Result<u64>,
) -> rusqlite::Result<u64> {
    let Some(rows) = extent(connection, table)? else {
        return Ok(0);
    };
    let counted_before = first_uncounted(connection, table, rows)?;
    let mut whole = Vec::new();
    let mut edges = Vec::new();
    for range in interval.ranges(connection, table)? {
        let (blocks, rest) = Blocks::split(range, rows, counted_before);
        whole.extend(blocks);
        edges.extend(rest);
    }
    let in_edges = plan.count(connection, &edges)?;
    Ok(if whole.is_empty() {
        in_edges
    } else {
        counted(&whole)? + in_edges
    })
}

/// Returns the sum of the counters of `scope` in some blocks, for rows of any of `kinds`, or of all if there
/// are none.
pub(crate) fn counters(
    connection: &Connection,
    table: Table,
    scope: &Scope,
    whole: &[Blocks],
    kinds: &[Kind],
) -> rusqlite::Result<u64> {
    let all = [None];
    let each: Vec<Option<Kind>> = kinds.iter().copied().map(Some).collect();
    let kinds = if each.is_empty() { &all[..] } else { &each };
    let scopes = scope.count_scopes();
    let mut sum: i64 = 0;
    for event_type in scope.each_type() {
        for kind in kinds {
            let mut sql = format!(
                "SELECT coalesce(sum(count), 0) FROM {}_count WHERE block = ? AND scope = ?",
                table.name()
            );
            let mut conditions = Vec::new();
            let of_type = event_type.map(|n| ("type = ?", n)).into_iter();
            for (condition, value) in of_type.chain(*kind) {
                let _ = write!(sql, " AND {condition}");
                conditions.push(value);
            }
            let mut statement = prepare(connection, &sql)?;
            for blocks in whole {
                for block in blocks.first..blocks.end {
                    for scope in &scopes {
                        let key = [block, scope.stored()].into_iter();
                        let values = key.chain(conditions.iter().copied());
                        sum += statement
                            .query_row(params_from_iter(values), |row| row.get::<_, i64>(0))?;
                    }
                }
            }
        }
    }
    Ok(u64::try_from(sum).unwrap_or(0))
}

/// The most counters that are read to find blocks without rows: some ten milliseconds. A filter of more workspaces and
/// types has rows in most blocks.
const EMPTY_BLOCKS_READ_MAX: usize = 20_000;

/// Returns `ranges`, newest first, without the blocks of which the counters say that they have no row of `scope` and any
/// of `kinds`.
pub(crate) fn without_empty_blocks(
    connection: &Connection,
    table: Table,
    scope: &Scope,
    kinds: &[Kind],
    ranges: &[SeqRange],
) -> rusqlite::Result<Vec<SeqRange>> {
    let Some(rows) = extent(connection, table)? else {
        return Ok(Vec::new());
    };
    let counted_before = first_uncounted(connection, table, rows)?;
    let for_each_block = scope.count_scopes().len() * scope.each_type().len() * kinds.len().max(1);
    let mut left = EMPTY_BLOCKS_READ_MAX / for_each_block.max(1);
    let mut kept = Vec::new();
    for range in ranges {
        let (whole, _) = Blocks::split(*range, rows, counted_before);
        let mut below = range.below;
        for first in whole.into_iter().flat_map(|it| (it.first..it.end).rev()) {
            if left == 0 {
                break;
            }
            left -= 1;
            let end = first + 1;
            let block = Blocks { first, end };
            if counters(connection, table, scope, &[block], kinds)? > 0 {
                continue;
            }
            let above = end * BLOCK - 1;
            kept.push(SeqRange { above, below });
            below = first * BLOCK;
        }
        let above = range.above;
        kept.push(SeqRange { above, below });
    }
    kept.retain(|range| !range.is_empty());
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(above: i64, below: i64) -> SeqRange {
        SeqRange { above, below }
    }

    #[test]
    fn whole_blocks_have_counters_and_the_newest_has_none() {
        let rows = range(4, 3 * BLOCK + 1);
        let split = |above, below| Blocks::split(range(above, below), rows, 3);
        let all = Some(Blocks { first: 0, end: 3 });
        assert_eq!(
            split(i64::MIN, i64::MAX),
            (all, vec![range(3 * BLOCK - 1, 3 * BLOCK + 1)])
        );
        assert_eq!(split(4, 3 * BLOCK), (all, vec![]));
        assert_eq!(
            split(5, 2 * BLOCK + 2),
            (
                Some(Blocks { first: 1, end: 2 }),
                vec![range(5, BLOCK), range(2 * BLOCK - 1, 2 * BLOCK + 2)]
            )
        );
        assert_eq!(split(5, BLOCK), (None, vec![range(5, BLOCK)]));
        assert_eq!(split(9, 9), (None, vec![]));
        assert_eq!(split(3 * BLOCK, i64::MAX), (None, vec![]));
        // Full, but nothing has come after it.
        let full = range(4, 3 * BLOCK);
        assert_eq!(
            Blocks::split(SeqRange::ALL, full, 2),
            (
                Some(Blocks { first: 0, end: 2 }),
                vec![range(2 * BLOCK - 1, 3 * BLOCK)]
            )
        );
    }

    proptest! {
        #[test]
        fn blocks_and_edges_make_up_the_range(
            above in -10..5 * BLOCK,
            width in 0..5 * BLOCK,
            first in 1..3 * BLOCK,
            more in 0..3 * BLOCK,
        ) {
            let rows = range(first - 1, first + more + 1);
            let wanted = range(above, above + width);
            let newest = block_of(first + more);
            let (blocks, edges) = Blocks::split(wanted, rows, newest);
            for edge in &edges {
                prop_assert!(edge.width() < 2 * BLOCK as u64);
            }
            for seq in [above, above + 1, above + width - 1, above + width, first, first + more]
                .into_iter()
                .flat_map(|seq| [seq, block_of(seq) * BLOCK, block_of(seq) * BLOCK - 1])
            {
                let within = |range: &SeqRange| range.above < seq && seq < range.below;
                let whole = blocks.iter().filter(|blocks| within(&blocks.range())).count();
                let at_edges = edges.iter().filter(|edge| within(edge)).count();
                if within(&rows) {
                    prop_assert_eq!(whole + at_edges, usize::from(within(&wanted)), "{}", seq);
                }
                if whole > 0 {
                    prop_assert!(block_of(seq) < block_of(first + more));
                }
            }
        }
    }
}
