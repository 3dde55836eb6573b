//! The search for a text in ids and codes.
//!
//! `SQLite` steps over the rows and calls a function of this module for each, so that it returns only the
//! matches: passing every row to Rust costs more than checking it. Matches come in any order and are sorted
//! at the end.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use uuid::Uuid;

use super::helpers::Helpers;
use super::plan::ScanPlan;
use super::query::{Found, Pattern};
use super::scan::Scan;
use super::statement::Table;
use super::time_range::{SeqRange, extent};
use crate::storage::filter::Page;

/// The rows of a table that `SQLite` steps over in the time of one look-up through an index.
const LOOKUP_COST: u64 = 20;

/// Adds the SQL function `sought(id, code, text)` to a connection.
pub(crate) fn install(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("sought", 3, flags, sought)
}

fn sought(context: &Context<'_>) -> rusqlite::Result<bool> {
    // The pattern is made once per statement.
    let pattern = context.get_or_create_aux(2, |text| text.as_str().map(Pattern::new))?;
    if pattern.in_id(context.get::<Uuid>(0)?) {
        return Ok(true);
    }
    Ok(pattern.seeks_codes() && pattern.in_code(context.get(1)?))
}

/// Returns the ranges without the oldest of the `total` rows of a plan, so that `most` are left.
pub(crate) fn newest(
    connection: &Connection,
    plan: &ScanPlan,
    ranges: Vec<SeqRange>,
    total: u64,
    most: u64,
) -> rusqlite::Result<Vec<SeqRange>> {
    if total <= most {
        return Ok(ranges);
    }
    let last = plan.page(connection, &ranges, most.saturating_sub(1), 1)?;
    let newest = SeqRange {
        above: last.first().map_or(i64::MIN, |seq| seq - 1),
        ..SeqRange::ALL
    };
    Ok(ranges.into_iter().map(|range| range.and(newest)).collect())
}

/// The rows to search.
pub(crate) struct TextSearch<'a> {
    /// The table.
    pub(crate) table: Table,
    /// The rows, by scans of the indexes.
    pub(crate) plan: &'a ScanPlan,
    /// The same rows, except for a few, by scans of the table itself.
    pub(crate) in_table: ScanPlan,
    /// The ranges to search.
    pub(crate) ranges: Vec<SeqRange>,
    /// The number of rows in `plan`.
    pub(crate) total: u64,
    /// The most rows that are checked, newest first.
    pub(crate) most: u64,
    /// The threads that help if the rows are not in memory.
    pub(crate) helpers: &'a Helpers,
}

/// A part of the rows to search.
struct Piece<'a> {
    scan: &'a Scan,
    range: SeqRange,
}

impl TextSearch<'_> {
    /// Returns the rows that contain `pattern`.
    pub(crate) fn search(
        mut self,
        connection: &Connection,
        pattern: &Pattern,
        page: Page,
    ) -> rusqlite::Result<Found> {
        let mut found = Found {
            searched: Some(self.total.min(self.most)),
            ..Found::default()
        };
        if pattern.matches_nothing() || self.total == 0 {
            return Ok(found);
        }
        let ranges = std::mem::take(&mut self.ranges);
        self.ranges = newest(connection, self.plan, ranges, self.total, self.most)?;
        let extent = extent(connection, self.table)?.unwrap_or(SeqRange::ALL);
        let within: Vec<_> = self.ranges.iter().map(|range| range.and(extent)).collect();
        let width = within.iter().map(|range| range.width()).sum();
        let plan = if self.is_dense(width) {
            &self.in_table
        } else {
            self.cut(&within, width);
            self.plan
        };
        let plus = self.seek(connection, pattern, &plan.plus)?;
        let minus = self.seek(connection, pattern, &plan.minus)?;
        let mut minus = minus.into_iter().peekable();
        for seq in plus {
            while minus.next_if(|left_out| *left_out > seq).is_some() {}
            if minus.peek() != Some(&seq) {
                found.add(seq, page);
            }
        }
        Ok(found)
    }

    /// Reports whether stepping over a table of this width is faster than using the indexes. The system reads ahead by itself then.
    fn is_dense(&self, width: u64) -> bool {
        width <= self.wanted().saturating_mul(LOOKUP_COST)
    }

    /// Returns the number of rows that are checked.
    fn wanted(&self) -> u64 {
        self.total.min(self.most)
    }

    /// Cuts the ranges, of which these have rows, so that all scans together have pieces for helpers.
    fn cut(&mut self, within: &[SeqRange], width: u64) {
        let scans = (self.plan.plus.len() + self.plan.minus.len()).max(1) as u64;
        let of_each = self.helpers.pieces(self.wanted()) / scans;
        if of_each > 1 {
            let step = width.div_ceil(of_each);
            self.ranges = within.iter().flat_map(|range| range.cut(step)).collect();
        }
    }

    /// Returns the matches in `scans`, newest first.
    fn seek(
        &self,
        connection: &Connection,
        pattern: &Pattern,
        scans: &[Scan],
    ) -> rusqlite::Result<Vec<i64>> {
        let of = |scan| {
            let ranges = self.ranges.iter();
            ranges.map(move |range| Piece {
                scan,
                range: *range,
            })
        };
        let pieces: Vec<_> = scans.iter().flat_map(of).collect();
        let mut hits = Vec::new();
        self.helpers.read(
            &pieces,
            |piece| (piece.scan).seek(connection, piece.range, pattern.text(), &mut hits),
            |connection, piece| piece.scan.touch(connection, piece.range),
        )?;
        hits.sort_unstable_by(|a, b| b.cmp(a));
        Ok(hits)
    }
}
