//! The links between the pages of a list.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;

use super::query::Fields;
use super::view::{Count, Escaped};
use crate::storage::Page;

/// The place of a page in its list, with links to its neighbours. The links keep the filters.
pub(super) struct Pager {
    page: Page,
    total: u64,
    /// The path and the filters, to which the number of a page is added.
    path: String,
    query: Fields,
}

impl Pager {
    pub(super) fn new(page: Page, total: u64, path: &str, query: Fields) -> Self {
        Self {
            page,
            total,
            path: path.to_owned(),
            query,
        }
    }

    fn pages(&self) -> u64 {
        self.total.div_ceil(self.page.limit.max(1)).max(1)
    }

    fn link(&self, f: &mut Formatter<'_>, number: u64, text: &str, rel: &str) -> fmt::Result {
        let shown = if number == 1 {
            String::new()
        } else {
            number.to_string()
        };
        let query = self.query.with("page", &shown).to_query();
        let path = if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{query}", self.path)
        };
        write!(
            f,
            "<li><a class=\"button\" rel=\"{rel}\" href=\"{}\">{text}</a></li>",
            Escaped(&path)
        )
    }
}

impl HtmlSafe for Pager {}

impl Display for Pager {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (number, pages) = (self.page.number, self.pages());
        f.write_str("<nav class=\"pager\" aria-label=\"Pages\"><span>")?;
        let first = self.page.offset().saturating_add(1);
        let last = self.page.offset().saturating_add(self.page.limit);
        if first <= self.total {
            let last = Count(last.min(self.total));
            write!(f, "{}–{last} of {}", Count(first), Count(self.total))?;
        } else {
            write!(
                f,
                "nothing on page {}; {} in all",
                Count(number),
                Count(self.total)
            )?;
        }
        f.write_str("</span>")?;
        if pages > 1 || number > pages {
            f.write_str("<ul>")?;
            if number > 1 {
                self.link(f, (number - 1).min(pages), "← Newer", "prev")?;
            }
            if number < pages {
                self.link(f, number + 1, "Older →", "next")?;
            }
            f.write_str("</ul>")?;
        }
        f.write_str("</nav>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(number: u64, total: u64) -> String {
        let page = Page { number, limit: 25 };
        let query = Fields::parse(b"url=a%26b&page=9");
        Pager::new(page, total, "/endpoints", query).to_string()
    }

    #[test]
    fn neighbours_keep_the_filters() {
        let middle = pager(2, 60);
        assert!(middle.contains("26–50 of 60"), "{middle}");
        assert!(middle.contains("href=\"/endpoints?url=a%26b\""), "{middle}");
        assert!(middle.contains("url=a%26b&amp;page=3"), "{middle}");
        assert!(!pager(3, 60).contains("next"));
        assert!(!pager(1, 25).contains("<a"));
    }

    #[test]
    fn a_page_after_the_last_leads_back() {
        let after = pager(9, 60);
        assert!(after.contains("nothing on page 9; 60 in all"), "{after}");
        assert!(after.contains("page=3") && !after.contains("next"));
    }
}
