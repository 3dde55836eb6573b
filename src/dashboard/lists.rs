//! Lists in pages: all rows of a page, and the links to the other pages.

use super::query::Fields;
use super::view::Count;
use crate::storage::{Listed, Page, Paged, Part, RowNumber, Store, StoreError};

/// The rows of a page of a list, unless the URL asks for another number.
pub(super) const ROWS: u64 = 50;

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

/// The place of a page in its list.
pub(super) struct Pager {
    pub(super) total: Count,
    /// The things that are listed, in the singular or the plural.
    pub(super) what: &'static str,
    pub(super) number: Count,
    pub(super) pages: Count,
    /// The URL of the page before; empty on the first one.
    pub(super) previous: String,
    /// The URL of the page after; empty on the last one.
    pub(super) next: String,
    /// With a text query: the number of rows that were searched, if not all were.
    pub(super) searched: Option<Count>,
}

impl Pager {
    /// Makes the pager of a page of the list at `path`, whose query has these fields. `what` is one of the things
    /// listed, and several of them.
    pub(super) fn new<T>(
        listed: &Listed<T>,
        page: Page,
        path: &str,
        query: &Fields,
        what: (&'static str, &'static str),
    ) -> Self {
        let pages = listed.total.div_ceil(page.limit.max(1)).max(1);
        let url = |number: u64| {
            let number = if number == 1 {
                String::new()
            } else {
                number.to_string()
            };
            match query.with("page", &number).to_query() {
                query if query.is_empty() => path.to_owned(),
                query => format!("{path}?{query}"),
            }
        };
        // The page before one that lies past the end is the last one.
        let previous = (page.number > 1).then(|| url((page.number - 1).min(pages)));
        let next = (page.number < pages).then(|| url(page.number + 1));
        Self {
            total: Count(listed.total),
            what: if listed.total == 1 { what.0 } else { what.1 },
            number: Count(page.number),
            pages: Count(pages),
            previous: previous.unwrap_or_default(),
            next: next.unwrap_or_default(),
            searched: listed.searched.map(Count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(total: u64, number: u64) -> Pager {
        let listed = Listed {
            items: Vec::<()>::new(),
            total,
            searched: None,
        };
        let page = Page { number, limit: 50 };
        let query = Fields::parse(b"query=a+b&page=9");
        Pager::new(&listed, page, "/list", &query, ("row", "rows"))
    }

    #[test]
    fn links_keep_the_filters_and_lead_to_pages_that_exist() {
        let first = pager(120, 1);
        assert_eq!((first.previous.as_str(), first.what), ("", "rows"));
        assert_eq!(first.next, "/list?query=a+b&page=2");
        assert_eq!(pager(120, 2).previous, "/list?query=a+b");
        assert_eq!(pager(120, 3).next, "");
        assert_eq!(pager(120, 77).previous, "/list?query=a+b&page=3");
        assert_eq!(pager(1, 1).what, "row");
        assert_eq!(pager(0, 1).pages.to_string(), "1");
    }
}
