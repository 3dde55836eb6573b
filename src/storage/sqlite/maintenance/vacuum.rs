//! Free pages of the database file, given back to the file system.
//!
//! Deleted rows leave free pages, which new rows take. While as much is deleted as comes in, there is nothing
//! to give back. If more is free than that, `SQLite` moves pages from the end of the file to free ones, some in
//! each step (`PRAGMA incremental_vacuum`), and the next checkpoint cuts the file.

use rusqlite::Connection;

use super::work::Work;
use crate::fail_point::{FailPoint, hit};
use crate::storage::StoreError;
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::writer::operation::WriteContext;

/// The free pages that a file of any size keeps: 4 MiB, which new rows will take soon.
const KEPT_PAGES: i64 = 1024;

/// The part of the file that may be free. Less would move pages that rows of the next hours would take.
const KEPT_PART: i64 = 20;

/// Pages moved in one transaction: about two milliseconds.
const STEP_PAGES: usize = 32;

/// Gives free pages back until only half of what may be free is, or `has_urgent_work` says that there is other work.
pub(super) fn give_back_free_pages(
    work: &Work<'_>,
    has_urgent_work: impl Fn() -> bool,
) -> Result<(), StoreError> {
    let connection = work.connection()?;
    let (free, pages) = sizes(&connection).map_err(|error| read_error(&error))?;
    let may_be_free = KEPT_PAGES.max(pages / KEPT_PART);
    if free <= may_be_free {
        return Ok(());
    }
    let mut left = free;
    while left > may_be_free / 2 && !work.is_stopping() && !has_urgent_work() {
        let after = work.step(|context| Ok(move_pages(context)?))?;
        // A file from elsewhere may not be able to give pages back.
        if after >= left {
            break;
        }
        left = after;
    }
    tracing::info!(
        pages = free - left,
        "gave free pages of the database back to the file system"
    );
    Ok(())
}

/// Returns the free pages and all pages.
fn sizes(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok((pragma("freelist_count")?, pragma("page_count")?))
}

/// Makes a step; returns the free pages that are left.
fn move_pages(context: &mut WriteContext<'_>) -> rusqlite::Result<i64> {
    let connection = context.connection;
    let sql = format!("PRAGMA incremental_vacuum({STEP_PAGES})");
    let mut vacuum = connection.prepare_cached(&sql)?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    hit(FailPoint::Vacuuming);
    connection.pragma_query_value(None, "freelist_count", |row| row.get(0))
}
