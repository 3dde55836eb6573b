//! Ordered index scans, and sums and differences of them.

use std::borrow::Cow;
use std::fmt::Write;

use rusqlite::{CachedStatement, Connection};

use super::ListError;
use super::merge::Walk;
use super::time_range::SeqRange;

/// A table that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// `event`
    Event,
    /// `delivery`
    Delivery,
}

impl Table {
    /// Its name, which also is its kind in `clock_step`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Delivery => "delivery",
        }
    }
}

/// An index to scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index {
    /// The table it is of.
    pub(super) table: Table,
    /// What is read.
    pub(super) source: Source,
}

/// Where the numbers of rows are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// In the table itself, which is in the order of `seq`.
    Rows,
    /// In a partial index of this name, limited to `only`, word for word; `SQLite` uses it for nothing
    /// else.
    Partial {
        name: &'static str,
        only: &'static str,
    },
    /// In a late index of this name, which does not have the newest rows.
    Late(&'static str),
}

/// Rows of one index that meet some conditions, in the order of `seq`.
///
/// The conditions fix every column of the index before `seq`. Those on columns after it are checked
/// on the way, still in the index.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    index: Index,
    terms: Vec<(Cow<'static, str>, Vec<i64>)>,
    within: SeqRange,
}

impl Scan {
    /// Everything in `index`.
    pub(super) const fn of(index: Index) -> Self {
        Self {
            index,
            terms: Vec::new(),
            within: SeqRange::ALL,
        }
    }

    /// Where also `condition`, which holds one `?`, is met with `value`.
    pub(super) fn and(mut self, condition: &'static str, value: i64) -> Self {
        self.terms.push((Cow::Borrowed(condition), vec![value]));
        self
    }

    /// Where also `column`, which the index does not order by, is any of `values`.
    pub(super) fn among(mut self, column: &str, values: &[i64]) -> Self {
        let marks = vec!["?"; values.len()].join(", ");
        let condition = format!("{column} IN ({marks})");
        self.terms.push((Cow::Owned(condition), values.to_vec()));
        self
    }

    /// The same, if there is a value.
    pub(super) fn and_if(self, condition: &'static str, value: Option<i64>) -> Self {
        match value {
            None => self,
            Some(value) => self.and(condition, value),
        }
    }

    /// Within `range` only.
    pub(super) fn within(mut self, range: SeqRange) -> Self {
        self.within = self.within.and(range);
        self
    }

    /// How many rows are in `range`.
    pub(super) fn count(&self, connection: &Connection, range: SeqRange) -> Result<u64, ListError> {
        let range = self.within.and(range);
        if range.is_empty() {
            return Ok(0);
        }
        let mut statement = prepare(connection, &self.sql("count(*)", "", ""))?;
        self.bind(&mut statement, range)?;
        let mut rows = statement.raw_query();
        let count: i64 = rows.next()?.map_or(Ok(0), |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The next `limit` numbers in `range` after the highest `offset`.
    pub(super) fn fetch(
        &self,
        connection: &Connection,
        range: SeqRange,
        offset: u64,
        limit: usize,
        into: &mut Vec<i64>,
    ) -> Result<(), ListError> {
        into.clear();
        let range = self.within.and(range);
        if range.is_empty() {
            return Ok(());
        }
        let mut statement = prepare(
            connection,
            &self.sql("seq", "", " ORDER BY seq DESC LIMIT ? OFFSET ?"),
        )?;
        let bound = self.bind(&mut statement, range)?;
        statement.raw_bind_parameter(bound + 1, signed(limit as u64))?;
        statement.raw_bind_parameter(bound + 2, signed(offset))?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            into.push(row.get(0)?);
        }
        Ok(())
    }

    /// Adds the numbers of the rows in `range` in which `text` is found, in no order. The condition
    /// needs [`super::search::install`].
    pub(super) fn seek(
        &self,
        connection: &Connection,
        range: SeqRange,
        text: &str,
        into: &mut Vec<i64>,
    ) -> Result<(), ListError> {
        let range = self.within.and(range);
        if range.is_empty() {
            return Ok(());
        }
        // The subqueries have no column named as one of what is scanned, so that conditions keep their
        // meaning. CROSS holds SQLite to this order: neighbouring deliveries have neighbouring events.
        let of_event = " CROSS JOIN (SELECT seq AS event_seq, id AS event_id FROM event)
            ON event_seq = event";
        let (row, event, condition, times) = match self.index.table {
            Table::Event => (
                " CROSS JOIN (SELECT seq AS row_seq, id, code FROM event) ON row_seq = seq",
                "",
                " AND sought(id, code, ?)",
                1,
            ),
            Table::Delivery => (
                " CROSS JOIN (SELECT seq AS row_seq, id, code, event FROM delivery) ON row_seq = seq",
                of_event,
                " AND (sought(id, code, ?) OR sought(event_id, NULL, ?))",
                2,
            ),
        };
        let join = if let Source::Late(_) = self.index.source {
            [row, event].concat()
        } else {
            event.to_owned()
        };
        let mut statement = prepare(connection, &self.sql("seq", &join, condition))?;
        let bound = self.bind(&mut statement, range)?;
        for parameter in bound + 1..=bound + times {
            statement.raw_bind_parameter(parameter, text)?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            into.push(row.get(0)?);
        }
        Ok(())
    }

    fn sql(&self, columns: &str, join: &str, tail: &str) -> String {
        let mut sql = String::with_capacity(300);
        let table = self.index.table.name();
        let _ = match self.index.source {
            Source::Rows => write!(sql, "SELECT {columns} FROM {table} NOT INDEXED"),
            Source::Partial { name, .. } => {
                write!(sql, "SELECT {columns} FROM {table} INDEXED BY {name}")
            }
            Source::Late(name) => write!(sql, "SELECT {columns} FROM {name}"),
        };
        sql.push_str(join);
        sql.push_str(" WHERE ");
        let only = match self.index.source {
            Source::Partial { only, .. } => Some(only),
            Source::Rows | Source::Late(_) => None,
        };
        let terms = self.terms.iter().map(|(condition, _)| &**condition);
        for condition in only.into_iter().chain(terms) {
            sql.push_str(condition);
            sql.push_str(" AND ");
        }
        sql.push_str("seq > ? AND seq < ?");
        sql.push_str(tail);
        sql
    }

    /// Binds all but the tail; answers how many parameters that were.
    fn bind(
        &self,
        statement: &mut CachedStatement<'_>,
        range: SeqRange,
    ) -> Result<usize, ListError> {
        let values = self.terms.iter().flat_map(|(_, values)| values).copied();
        let mut bound = 0;
        for value in values.chain([range.above, range.below]) {
            bound += 1;
            statement.raw_bind_parameter(bound, value)?;
        }
        Ok(bound)
    }
}

/// What a filter selects: the rows of `plus` that are not in `minus`.
///
/// No row is in two scans of `plus`, nor in two of `minus`, and all of `minus` is in `plus`. So the
/// number of rows is a difference of sums; and the many can be listed by leaving out the few, for
/// which there are small indexes, where another index of the many would burden every write.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Rows to list.
    pub(super) plus: Vec<Scan>,
    /// Rows of `plus` to leave out.
    pub(super) minus: Vec<Scan>,
}

impl Plan {
    /// The rows of `plus`.
    pub(super) const fn of(plus: Vec<Scan>) -> Self {
        Self {
            plus,
            minus: Vec::new(),
        }
    }

    /// How many rows there are in `ranges`, counted on the indexes.
    pub(super) fn count(
        &self,
        connection: &Connection,
        ranges: &[SeqRange],
    ) -> Result<u64, ListError> {
        let sum = |scans: &[Scan]| -> Result<u64, ListError> {
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

    /// The numbers of the rows in `ranges` (newest range first) after the newest `offset`: at most
    /// `limit`, newest first.
    pub(super) fn page(
        &self,
        connection: &Connection,
        ranges: &[SeqRange],
        offset: u64,
        limit: u64,
    ) -> Result<Vec<i64>, ListError> {
        let mut page = Vec::new();
        // SQLite steps over the entries of one scan three times as fast as we do.
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

/// A statement from the connection's cache. The only way in which lists prepare any, so that a test
/// can collect them.
pub(super) fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
) -> Result<CachedStatement<'c>, ListError> {
    #[cfg(test)]
    super::tests::note(sql);
    connection.prepare_cached(sql)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
