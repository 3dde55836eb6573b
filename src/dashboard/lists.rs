//! Pages of long lists: all rows of a page, without payloads.

use super::query::Fields;
use crate::storage::{Listed, Page, Paged, Part, RowNumber, Store, StoreError};

/// The rows of a page of a list, unless the URL asks for another number.
pub(super) const ROWS: u64 = 50;

/// The first page.
pub(super) const FIRST: Page = Page {
    number: 1,
    limit: ROWS,
};

/// A list without rows.
pub(super) const fn empty<T>() -> Listed<T> {
    Listed {
        items: Vec::new(),
        total: 0,
        searched: None,
    }
}

/// Returns the page of so many rows that a query asks for: the first one, unless its `page` is a number.
pub(super) fn page_of(query: &Fields, limit: u64) -> Page {
    let number = query.get("page").and_then(|page| page.parse().ok());
    Page {
        number: number.filter(|number| *number > 0).unwrap_or(1),
        limit,
    }
}

/// A function that reads rows by number: as many of the first ones as fit in so many bytes.
type ReadRows<T> = fn(&dyn Store, &[RowNumber], usize) -> Result<Part<T>, StoreError>;

/// Returns all rows of a page. Lists show no payloads, so each row is read with no room for one: a payload has up
/// to some megabytes.
///
/// # Errors
/// The store's.
pub(super) fn whole<T>(
    store: &dyn Store,
    paged: Paged<T>,
    read: ReadRows<T>,
) -> Result<Listed<T>, StoreError> {
    let mut rows = paged.rows;
    let mut rest = paged.rest.as_slice();
    while !rest.is_empty() {
        let part = read(store, rest, NO_PAYLOAD)?;
        rows.extend(part.rows);
        // A part has at least one row; this only makes sure that the loop ends.
        rest = rest.get(part.done.max(1)..).unwrap_or_default();
    }
    Ok(Listed {
        items: rows.into_iter().map(|row| row.item).collect(),
        total: paged.total,
        searched: paged.searched,
    })
}

/// The room for the payload of a row.
pub(super) const NO_PAYLOAD: usize = 0;
