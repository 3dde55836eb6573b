//! The tables that are listed, and the statements of lists.

use rusqlite::{CachedStatement, Connection};

/// A table that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// `event`
    Event,
    /// `delivery`
    Delivery,
    /// `message`
    Message,
}

impl Table {
    /// Returns its name, which also is its kind in `clock_step`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Delivery => "delivery",
            Self::Message => "message",
        }
    }
}

/// Returns a statement from the connection's cache. Lists prepare all statements here, so that a test can
/// collect them.
pub(crate) fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
) -> rusqlite::Result<CachedStatement<'c>> {
    #[cfg(test)]
    super::tests::note(sql);
    connection.prepare_cached(sql)
}

/// Returns a number of rows as a size in memory.
pub(crate) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
