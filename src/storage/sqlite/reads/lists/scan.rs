//! Ordered scans of one index.

use std::borrow::Cow;
use std::fmt::Write;

use rusqlite::{CachedStatement, Connection};

use super::statement::{Table, prepare};
use super::time_range::SeqRange;

/// An index to scan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index {
    /// The table of the index.
    pub(crate) table: Table,
    /// The place where its rows are.
    pub(crate) source: Source,
}

/// The place where a scan finds the numbers of rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// In the table itself, which is in the order of `seq`.
    Rows,
    /// In a partial index of this name, limited to `only`, word for word; `SQLite` uses it for nothing
    /// else.
    Partial {
        name: &'static str,
        only: &'static str,
    },
    /// In a list index of this name, which does not have the newest rows.
    ListIndex(&'static str),
}

/// The rows of one index that meet some conditions, in the order of `seq`.
///
/// The conditions fix every column of the index before `seq`. `SQLite` checks those on later columns while it
/// scans the index.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    index: Index,
    terms: Vec<(Cow<'static, str>, Vec<i64>)>,
    within: SeqRange,
    /// Set if entries of a list index must be left out whose rows were deleted.
    has_tombstones: bool,
}

impl Scan {
    /// Returns the scan of everything in `index`.
    pub(crate) const fn of(index: Index) -> Self {
        Self {
            index,
            terms: Vec::new(),
            within: SeqRange::ALL,
            has_tombstones: false,
        }
    }

    /// Leaves out the entries of a list index whose rows were deleted.
    pub(crate) const fn without_tombstones(mut self) -> Self {
        self.has_tombstones = true;
        self
    }

    /// Adds a condition, which has one `?` for `value`.
    pub(crate) fn and(mut self, condition: &'static str, value: i64) -> Self {
        self.terms.push((Cow::Borrowed(condition), vec![value]));
        self
    }

    /// Adds the condition, which has a `?` for each of two values.
    pub(crate) fn and_both(mut self, condition: &'static str, values: [i64; 2]) -> Self {
        self.terms.push((Cow::Borrowed(condition), values.to_vec()));
        self
    }

    /// Adds the condition that `column`, by which the index is not ordered, is any of `values`.
    pub(crate) fn among(mut self, column: &str, values: &[i64]) -> Self {
        let marks = vec!["?"; values.len()].join(", ");
        let condition = format!("{column} IN ({marks})");
        self.terms.push((Cow::Owned(condition), values.to_vec()));
        self
    }

    /// Adds the condition if there is a value.
    pub(crate) fn and_if(self, condition: &'static str, value: Option<i64>) -> Self {
        match value {
            None => self,
            Some(value) => self.and(condition, value),
        }
    }

    /// Limits the scan to `range`.
    pub(crate) fn within(mut self, range: SeqRange) -> Self {
        self.within = self.within.and(range);
        self
    }

    /// Returns the number of rows in `range`.
    pub(crate) fn count(&self, connection: &Connection, range: SeqRange) -> rusqlite::Result<u64> {
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

    /// Reads the next `limit` numbers in `range` after the highest `offset`.
    pub(crate) fn fetch(
        &self,
        connection: &Connection,
        range: SeqRange,
        offset: u64,
        limit: usize,
        into: &mut Vec<i64>,
    ) -> rusqlite::Result<()> {
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

    /// Returns the lowest number in `range`.
    pub(crate) fn lowest(
        &self,
        connection: &Connection,
        range: SeqRange,
    ) -> rusqlite::Result<Option<i64>> {
        let range = self.within.and(range);
        if range.is_empty() {
            return Ok(None);
        }
        let mut statement = prepare(connection, &self.sql("seq", "", " ORDER BY seq LIMIT 1"))?;
        self.bind(&mut statement, range)?;
        let mut rows = statement.raw_query();
        rows.next()?.map(|row| row.get(0)).transpose()
    }

    /// Adds the numbers of the rows in `range` that contain `text`, in no order. The statement needs
    /// [`super::search::install`].
    pub(crate) fn seek(
        &self,
        connection: &Connection,
        range: SeqRange,
        text: &str,
        into: &mut Vec<i64>,
    ) -> rusqlite::Result<()> {
        let range = self.within.and(range);
        if range.is_empty() {
            return Ok(());
        }
        let (condition, times) = match self.index.table {
            Table::Event => (" AND sought(id, code, ?)", 1),
            Table::Delivery => (" AND (sought(id, code, ?) OR sought(event_id, NULL, ?))", 2),
            Table::Message => (" AND sought(id, NULL, ?)", 1),
        };
        let mut statement = prepare(connection, &self.sql("seq", &self.joined(), condition))?;
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

    /// Reads the pages that [`Scan::seek`] reads.
    pub(crate) fn touch(&self, connection: &Connection, range: SeqRange) -> rusqlite::Result<()> {
        let range = self.within.and(range);
        if range.is_empty() {
            return Ok(());
        }
        // Never true, which SQLite does not know.
        let condition = match self.index.table {
            Table::Event | Table::Message => " AND length(id) = 0",
            Table::Delivery => " AND (length(id) = 0 OR length(event_id) = 0)",
        };
        let mut statement = prepare(connection, &self.sql("seq", &self.joined(), condition))?;
        self.bind(&mut statement, range)?;
        statement.raw_query().next()?;
        Ok(())
    }

    /// Returns the joins with the columns that a text is searched in.
    fn joined(&self) -> String {
        // The subqueries have no column with the name of a scanned one, so that conditions keep their
        // meaning. CROSS fixes the join order: neighbouring deliveries have neighbouring events.
        let (row, event) = match self.index.table {
            Table::Event => (
                " CROSS JOIN (SELECT seq AS row_seq, id, code FROM event) ON row_seq = seq",
                "",
            ),
            Table::Delivery => (
                " CROSS JOIN (SELECT seq AS row_seq, id, code, event FROM delivery) ON row_seq = seq",
                " CROSS JOIN (SELECT seq AS event_seq, id AS event_id FROM event)
            ON event_seq = event",
            ),
            Table::Message => (
                " CROSS JOIN (SELECT seq AS row_seq, id FROM message) ON row_seq = seq",
                "",
            ),
        };
        if let Source::ListIndex(_) = self.index.source {
            [row, event].concat()
        } else {
            event.to_owned()
        }
    }

    fn sql(&self, columns: &str, join: &str, tail: &str) -> String {
        let mut sql = String::with_capacity(300);
        let table = self.index.table.name();
        let _ = match self.index.source {
            Source::Rows => write!(sql, "SELECT {columns} FROM {table} NOT INDEXED"),
            Source::Partial { name, .. } => {
                write!(sql, "SELECT {columns} FROM {table} INDEXED BY {name}")
            }
            Source::ListIndex(name) => write!(sql, "SELECT {columns} FROM {name}"),
        };
        sql.push_str(join);
        sql.push_str(" WHERE ");
        let only = match self.index.source {
            Source::Partial { only, .. } => Some(only),
            Source::Rows | Source::ListIndex(_) => None,
        };
        let terms = self.terms.iter().map(|(condition, _)| &**condition);
        for condition in only.into_iter().chain(terms) {
            sql.push_str(condition);
            sql.push_str(" AND ");
        }
        sql.push_str("seq > ? AND seq < ?");
        if self.has_tombstones && matches!(self.index.source, Source::ListIndex(_)) {
            let _ = write!(sql, " AND seq NOT IN (SELECT seq FROM {table}_tombstone)");
        }
        sql.push_str(tail);
        sql
    }

    /// Binds all parameters before the tail; returns their number.
    fn bind(
        &self,
        statement: &mut CachedStatement<'_>,
        range: SeqRange,
    ) -> rusqlite::Result<usize> {
        let values = self.terms.iter().flat_map(|(_, values)| values).copied();
        let mut bound = 0;
        for value in values.chain([range.above, range.below]) {
            bound += 1;
            statement.raw_bind_parameter(bound, value)?;
        }
        Ok(bound)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
