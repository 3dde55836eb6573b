//! The largest size of the database, and its size as of the last group.

use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

/// From this part of the limit on, in percent, the janitor looks more often.
const CLOSE: u64 = 75;

/// Above this part of the limit, in percent, the janitor makes room.
const NEAR: u64 = 90;

/// The part of the limit, in percent, at which the janitor stops to make room.
const ENOUGH: u64 = 85;

/// The limit. The size is that of the pages with content: free pages are room for new rows.
#[derive(Debug)]
pub(crate) struct SizeLimit {
    bytes: u64,
    used: AtomicU64,
}

impl SizeLimit {
    /// Returns a limit; `None` if `bytes` is 0.
    pub(crate) const fn new(bytes: u64) -> Option<Self> {
        if bytes == 0 {
            return None;
        }
        Some(Self {
            bytes,
            used: AtomicU64::new(0),
        })
    }

    /// Returns the limit in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes the present size; reports whether it has reached the limit.
    pub(crate) fn measure(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let number = |sql: &str| -> rusqlite::Result<u64> {
            connection
                .prepare_cached(sql)?
                .query_row([], |row| row.get(0))
        };
        let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
        let used = pages * number("PRAGMA page_size")?;
        self.used.store(used, Ordering::Relaxed);
        Ok(used >= self.bytes)
    }

    /// Reports whether the limit was reached at the last look.
    pub(crate) fn is_reached(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.bytes
    }

    /// Reports whether the limit may soon be near.
    pub(crate) fn is_close(&self) -> bool {
        self.is_above(CLOSE)
    }

    /// Reports whether it is time to make room.
    pub(crate) fn is_near(&self) -> bool {
        self.is_above(NEAR)
    }

    /// Reports whether there is room enough again.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_above(ENOUGH)
    }

    fn is_above(&self, percent: u64) -> bool {
        self.used.load(Ordering::Relaxed) / 100 * 100 >= self.bytes / 100 * percent
    }
}
