//! Lists, read page by page: events, deliveries and messages by time, and endpoints by page numbers.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::ANSWER_MAX_BYTES;
use super::api_error::ClientError;
use super::http::{Answer, Client, Query};
use super::objects::{Dated, Identified};

/// The most rows that the API puts on a page.
const PAGE_MAX: u64 = 100;

/// The most bytes of all pages of a list that is kept whole: the events of one message, or the endpoints. These are
/// a few hundred bytes each, but for the payload.
const ALL_MAX_BYTES: usize = 4 * ANSWER_MAX_BYTES;

/// The most rows of a search beside twice those that it has at its start. Rows may come to match its filters meanwhile,
/// but a server that always has more is none of ours.
const ADDED_MAX: u64 = 1000;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct List<T> {
    pub(in crate::cli) data: Vec<T>,
    pub(in crate::cli) meta: Meta,
}

/// The size of a list.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Meta {
    pub(in crate::cli) total: u64,
    /// Set if there was no time to search older rows: the time of the oldest one that was searched.
    pub(in crate::cli) searched_back_to: Option<String>,
}

/// The number of rows that a command wants.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Rows {
    First(u64),
    All,
}

/// The size of a list that is walked through.
struct Size {
    /// The number of all rows.
    total: u64,
    /// The most rows that are taken.
    most: u64,
}

impl Size {
    /// Returns the size of a list after `taken` rows, if the server counts `rest` more.
    fn new(wanted: u64, taken: u64, rest: u64) -> Self {
        let most = rest.saturating_mul(2).saturating_add(ADDED_MAX);
        Self {
            total: taken.saturating_add(rest),
            most: wanted.min(taken.saturating_add(most)),
        }
    }
}

impl Client {
    /// Gets one page.
    pub(in crate::cli) fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
        limit: u64,
    ) -> Result<List<T>, ClientError> {
        let mut query = query.clone();
        query.push(("limit", limit.min(PAGE_MAX).to_string()));
        self.get(path, &query)
    }

    /// Walks through a list of events, deliveries or messages, from the newest at the start to older ones, and gives each
    /// page to `take`, with the number of all rows at the start. It ends after twice as many and [`ADDED_MAX`] more. If
    /// the server had no time to search all, the number is one of those that it found, and the next page has another.
    ///
    /// Every page but the first is asked for by the time of the row before it. So rows that are added meanwhile,
    /// or that leave the list because `take` changes them, move no other row.
    pub(in crate::cli) fn walk<T: DeserializeOwned + Dated>(
        &self,
        path: &str,
        query: &Query,
        rows: Rows,
        mut take: impl FnMut(Vec<T>, u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let wanted = match rows {
            Rows::First(count) => count,
            Rows::All => u64::MAX,
        };
        let mut taken = 0;
        let mut query = query.clone();
        let mut limit = PAGE_MAX;
        let mut size: Option<Size> = None;
        let mut end: Option<String> = None;
        loop {
            let left = size.as_ref().map_or(wanted, |size| size.most) - taken;
            let found = self.page(path, &query, left.min(limit));
            let mut page: List<T> = match found {
                Err(ClientError::TooLong { .. }) if left.min(limit) > 1 => {
                    limit = smaller(limit);
                    continue;
                }
                found => found?,
            };
            let rest = page.meta.total;
            let known = size.get_or_insert_with(|| Size::new(wanted, taken, rest));
            let left = known.most - taken;
            page.data
                .truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let is_older = |row: &T| end.as_deref().is_none_or(|end| row.created_at() < end);
            if !page.data.iter().all(is_older) {
                return Err(self.same_rows().into());
            }
            let of_page = page.data.len() as u64;
            let last = page.data.last().map(|row| row.created_at().to_owned());
            take(page.data, known.total)?;
            taken += of_page;
            let is_enough = taken == known.most;
            if page.meta.searched_back_to.is_some() {
                // The next page is of a search that gets further.
                size = None;
            }
            let last = last.filter(|_| rest > of_page);
            let older = last.or(page.meta.searched_back_to);
            let Some(last) = older.filter(|_| !is_enough) else {
                return Ok(());
            };
            if end.as_deref().is_some_and(|end| *last >= *end) {
                return Err(self.same_rows().into());
            }
            query.retain(|(name, _)| *name != "end_timestamp");
            query.push(("end_timestamp", last.clone()));
            end = Some(last);
        }
    }

    /// Reads all rows of a list that has no times to walk by.
    pub(in crate::cli) fn all<T: DeserializeOwned + Identified>(
        &self,
        path: &str,
        query: &Query,
    ) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        let mut ids = HashSet::new();
        let mut limit = PAGE_MAX;
        let mut length = 0;
        loop {
            // The limits divide each other, so that the rows before are whole pages of the new limit, too.
            let page = all.len() as u64 / limit + 1;
            let mut query = query.clone();
            query.extend([("page", page.to_string()), ("limit", limit.to_string())]);
            let answer: Answer<List<T>> = match self.get_measured(path, &query) {
                Err(ClientError::TooLong { .. }) if limit > 1 => {
                    limit = smaller(limit);
                    continue;
                }
                answer => answer?,
            };
            let List { data, meta } = answer.body;
            length += answer.length;
            if length > ALL_MAX_BYTES {
                let server = self.server().to_owned();
                return Err(ClientError::TooLong { server });
            }
            let (is_last, before) = (data.is_empty(), ids.len());
            for row in data {
                // A row that was added meanwhile moves the others to the next page.
                if ids.insert(row.id()) {
                    all.push(row);
                }
            }
            if is_last || all.len() as u64 >= meta.total {
                return Ok(all);
            }
            if ids.len() == before {
                return Err(self.same_rows());
            }
        }
    }

    fn same_rows(&self) -> ClientError {
        let server = self.server().to_owned();
        ClientError::SameRows { server }
    }
}

/// Returns the next limit of rows, after a page that was too long.
fn smaller(limit: u64) -> u64 {
    (limit / 10).max(1)
}
