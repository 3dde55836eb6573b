//! Plans of lists: sums and differences of scans, walked newest first.

use rusqlite::Connection;

use super::merge::Merge;
use super::scan::Scan;
use super::statement::size;
use super::time_range::SeqRange;

/// The rows that a filter selects: those of `plus` that are not in `minus`.
///
/// No row is in two scans of `plus`, nor in two of `minus`, and all of `minus` is in `plus`. So the number of
/// rows is a difference of sums. And a large set can be listed by leaving out a small one: the small set has
/// small indexes, while an index of the large one would cost every write.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScanPlan {
    /// Rows to list.
    pub(crate) plus: Vec<Scan>,
    /// Rows of `plus` to leave out.
    pub(crate) minus: Vec<Scan>,
}

impl ScanPlan {
    /// Returns the plan for the rows of `plus`.
    pub(crate) const fn of(plus: Vec<Scan>) -> Self {
        Self {
            plus,
            minus: Vec::new(),
        }
    }

    /// Returns the number of rows in `ranges`, counted on the indexes.
    pub(crate) fn count(
        &self,
        connection: &Connection,
        ranges: &[SeqRange],
    ) -> rusqlite::Result<u64> {
        let sum = |scans: &[Scan]| -> rusqlite::Result<u64> {
            let mut sum = 0;
            for scan in scans {
                for range in ranges {
                    sum += scan.count(connection, *range)?;
                }
            }
            Ok(sum)
        };
        Ok(sum(&self.plus)?.saturating_sub(sum(&self.minus)?))
    }

    /// Returns the lowest number in `range` of the rows of `plus`; it may be one to leave out.
    pub(crate) fn lowest(
        &self,
        connection: &Connection,
        range: SeqRange,
    ) -> rusqlite::Result<Option<i64>> {
        let mut lowest: Option<i64> = None;
        for scan in &self.plus {
            let below = lowest.unwrap_or(range.below);
            let found = scan.lowest(connection, SeqRange { below, ..range })?;
            lowest = found.or(lowest);
        }
        Ok(lowest)
    }

    /// Returns the numbers of the rows in `ranges` (newest range first) after the newest `offset`: at most
    /// `limit`, newest first.
    pub(crate) fn page(
        &self,
        connection: &Connection,
        ranges: &[SeqRange],
        offset: u64,
        limit: u64,
    ) -> rusqlite::Result<Vec<i64>> {
        let mut page = Vec::new();
        // SQLite steps over the entries of one scan three times as fast as the merge does.
        if let ([scan], [], [range]) = (&*self.plus, &*self.minus, ranges) {
            scan.fetch(connection, *range, offset, size(limit), &mut page)?;
            return Ok(page);
        }
        let mut walk = Walk::new(connection, self, ranges, offset.saturating_add(limit));
        for _ in 0..offset {
            if walk.next()?.is_none() {
                return Ok(page);
            }
        }
        for _ in 0..limit {
            match walk.next()? {
                None => break,
                Some(seq) => page.push(seq),
            }
        }
        Ok(page)
    }
}

/// A walk through the rows of a [`ScanPlan`], newest first.
pub(crate) struct Walk<'a> {
    connection: &'a Connection,
    plan: &'a ScanPlan,
    ranges: std::slice::Iter<'a, SeqRange>,
    expected: u64,
    current: Option<(Merge<'a>, Merge<'a>)>,
}

impl<'a> Walk<'a> {
    /// Begins at the newest row; the caller expects to need about `expected` rows.
    pub(crate) fn new(
        connection: &'a Connection,
        plan: &'a ScanPlan,
        ranges: &'a [SeqRange],
        expected: u64,
    ) -> Self {
        Self {
            connection,
            plan,
            ranges: ranges.iter(),
            expected,
            current: None,
        }
    }

    /// Returns the next number.
    pub(crate) fn next(&mut self) -> rusqlite::Result<Option<i64>> {
        loop {
            if let Some((plus, minus)) = &mut self.current {
                while let Some(seq) = plus.next()? {
                    if !minus.next_is(seq)? {
                        return Ok(Some(seq));
                    }
                }
            }
            let Some(range) = self.ranges.next() else {
                self.current = None;
                return Ok(None);
            };
            let merge = |scans| Merge::new(self.connection, scans, *range, self.expected);
            self.current = Some((merge(&self.plan.plus)?, merge(&self.plan.minus)?));
        }
    }
}
