//! Times as ranges of `seq`.
//!
//! Rows are numbered in the order of commit and have the time of the wall clock, which rises from row to row,
//! except where the table `clock_step` says otherwise. So between two steps, bisection finds a time in about
//! forty look-ups. An index of times would cost ten bytes for every row.

use rusqlite::{Connection, OptionalExtension, params};

use super::statement::{Table, prepare};
use crate::domain::clock::Timestamp;

/// The numbers between two others, exclusive on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeqRange {
    /// All numbers are above this one.
    pub(crate) above: i64,
    /// All numbers are below this one.
    pub(crate) below: i64,
}

impl SeqRange {
    /// Every number.
    pub(crate) const ALL: Self = Self {
        above: i64::MIN,
        below: i64::MAX,
    };
    /// No number.
    pub(crate) const NONE: Self = Self { above: 0, below: 0 };

    /// Returns the numbers that both ranges have.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            above: self.above.max(other.above),
            below: self.below.min(other.below),
        }
    }

    /// Returns the number of numbers in it.
    pub(crate) fn width(self) -> u64 {
        u64::try_from(self.below.saturating_sub(self.above).saturating_sub(1)).unwrap_or(0)
    }

    /// Cuts it into ranges of at most `step` numbers, lowest first.
    pub(crate) fn cut(self, step: u64) -> impl Iterator<Item = Self> {
        let step = i64::try_from(step.max(1)).unwrap_or(i64::MAX);
        let mut above = self.above;
        std::iter::from_fn(move || {
            let below = above.saturating_add(step).saturating_add(1).min(self.below);
            let range = Self { above, below };
            above = below.saturating_sub(1);
            (!range.is_empty()).then_some(range)
        })
    }

    /// Reports whether no number is in it.
    pub(crate) const fn is_empty(self) -> bool {
        self.above >= self.below.saturating_sub(1)
    }
}

/// The microseconds between two times, exclusive on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    after: i64,
    before: i64,
}

impl Interval {
    /// All of time.
    pub(crate) const ALL: Self = Self {
        after: i64::MIN,
        before: i64::MAX,
    };

    /// Returns the interval after one time and before another, each if given.
    pub(crate) fn new(after: Option<Timestamp>, before: Option<Timestamp>) -> Self {
        Self {
            after: after.map_or(i64::MIN, Timestamp::micros),
            before: before.map_or(i64::MAX, Timestamp::micros),
        }
    }

    /// Reports whether a time is in it.
    pub(crate) const fn contains(self, time: i64) -> bool {
        time > self.after && time < self.before
    }

    const fn is_empty(self) -> bool {
        self.after >= self.before.saturating_sub(1)
    }

    /// Returns the rows of `table` made in this interval: ranges without overlap, newest first.
    pub(crate) fn ranges(
        self,
        connection: &Connection,
        table: Table,
    ) -> rusqlite::Result<Vec<SeqRange>> {
        if self == Self::ALL {
            return Ok(vec![SeqRange::ALL]);
        }
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut ranges = Vec::new();
        for stretch in stretches(connection, table)?.into_iter().rev() {
            let range = SeqRange {
                above: match self.after {
                    i64::MIN => stretch.above,
                    after => first_later(connection, table, stretch, after)? - 1,
                },
                below: match self.before {
                    i64::MAX => stretch.below,
                    before => first_later(connection, table, stretch, before - 1)?,
                },
            };
            if !range.is_empty() {
                ranges.push(range);
            }
        }
        Ok(ranges)
    }
}

/// Returns the range from the first row of `table` to its last; `None` if it has no row.
pub(crate) fn extent(connection: &Connection, table: Table) -> rusqlite::Result<Option<SeqRange>> {
    let ends = match table {
        Table::Event => "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)",
        Table::Delivery => {
            "SELECT (SELECT min(seq) FROM delivery), (SELECT max(seq) FROM delivery)"
        }
        Table::Message => "SELECT (SELECT min(seq) FROM message), (SELECT max(seq) FROM message)",
    };
    let ends: (Option<i64>, Option<i64>) =
        prepare(connection, ends)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match ends {
        (Some(first), Some(last)) => Some(SeqRange {
            above: first - 1,
            below: last + 1,
        }),
        _ => None,
    })
}

/// Returns the stretches of `table`, oldest first: ranges in which the clock only rose.
fn stretches(connection: &Connection, table: Table) -> rusqlite::Result<Vec<SeqRange>> {
    let sql = "SELECT seq FROM clock_step WHERE kind = ? ORDER BY seq";
    let mut statement = prepare(connection, sql)?;
    let mut steps = statement.query([table.name()])?;
    let Some(all) = extent(connection, table)? else {
        return Ok(Vec::new());
    };
    let mut stretches = Vec::new();
    let mut above = all.above;
    while let Some(row) = steps.next()? {
        let below = row.get(0)?;
        stretches.push(SeqRange { above, below });
        above = below - 1;
    }
    stretches.push(SeqRange {
        above,
        below: all.below,
    });
    stretches.retain(|stretch| !stretch.is_empty());
    Ok(stretches)
}

/// Returns a number such that the rows of `stretch` from it on are later than `time`, and those before it are
/// not.
fn first_later(
    connection: &Connection,
    table: Table,
    stretch: SeqRange,
    time: i64,
) -> rusqlite::Result<i64> {
    let sql = match table {
        Table::Event => {
            "SELECT seq, created_at FROM event WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1"
        }
        Table::Delivery => {
            "SELECT seq, created_at FROM delivery WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1"
        }
        Table::Message => {
            "SELECT seq, created_at FROM message WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1"
        }
    };
    let mut statement = prepare(connection, sql)?;
    // Rows below `low` are not later; those from `high` on are.
    let mut low = stretch.above + 1;
    let mut high = stretch.below;
    while low < high {
        let middle = low + (high - low) / 2;
        let row: Option<(i64, i64)> = statement
            .query_row(params![middle, high], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match row {
            // Numbers may be missing: the row that is found stands for all from `middle` on.
            Some((seq, created_at)) if created_at <= time => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_is_cut_without_a_gap(above in -9_i64..9, width in 0_i64..30, step in 0_u64..12) {
            let range = SeqRange { above, below: above + 1 + width };
            let cut: Vec<SeqRange> = range.cut(step).collect();
            let numbers = |range: &SeqRange| range.above + 1..range.below;
            let all: Vec<i64> = cut.iter().flat_map(numbers).collect();
            prop_assert_eq!(all, numbers(&range).collect::<Vec<_>>());
            prop_assert!(cut.iter().all(|range| range.width() <= step.max(1)));
        }
    }

    #[test]
    fn every_number_is_cut_in_two() {
        let cut: Vec<SeqRange> = SeqRange::ALL.cut(u64::MAX).collect();
        assert_eq!((cut.len(), cut[0].above), (2, i64::MIN));
        assert_eq!((cut[1].above, cut[1].below), (cut[0].below - 1, i64::MAX));
    }
}
