//! The page of a list that a request asks for: the parameters `page` and `limit`.

use crate::server::validate::{Checked, Field, Input, read};
use crate::storage::Page;

/// The rows of a page without `limit`.
pub(crate) const LIMIT_DEFAULT: u64 = 10;
/// The most rows of a page; a greater `limit` counts as this.
const LIMIT_MAX: u64 = 100;

/// The `page` and `limit` of a request.
pub(crate) struct PageField {
    page: Field<u64>,
    limit: Field<u64>,
}

/// Reads `page` and `limit`.
pub(crate) fn page(input: &mut Input<'_>) -> PageField {
    PageField {
        page: input.query_or("page", 1, read::positive),
        limit: input.query_or("limit", LIMIT_DEFAULT, read::positive),
    }
}

impl PageField {
    /// Returns the page that the client asked for.
    pub(crate) fn take(self, ok: &Checked) -> Page {
        Page {
            number: self.page.take(ok),
            limit: self.limit.take(ok).min(LIMIT_MAX),
        }
    }
}
