//! Lists, read page by page: events and deliveries by time, and endpoints by page numbers.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::api_error::ClientError;
use super::http::{Client, Query};
use super::objects::Dated;

/// The most rows that the API puts on a page.
const PAGE_MAX: u64 = 100;

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
}

/// The number of rows that a command wants.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Rows {
    First(u64),
    All,
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

    /// Walks through a list of events or deliveries, from the newest at the start to older ones, and gives each
    /// page to `take`, with the number of all rows at the start.
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
        let mut left = match rows {
            Rows::First(count) => count,
            Rows::All => u64::MAX,
        };
        let mut query = query.clone();
        let mut total = None;
        loop {
            let page: List<T> = self.page(path, &query, left)?;
            let rest = page.meta.total;
            let taken = page.data.len() as u64;
            let last = page.data.last().map(|row| row.created_at().to_owned());
            take(page.data, *total.get_or_insert(rest))?;
            left = left.saturating_sub(taken);
            let Some(last) = last.filter(|_| left > 0 && rest > taken) else {
                return Ok(());
            };
            query.retain(|(name, _)| *name != "end_timestamp");
            query.push(("end_timestamp", last));
        }
    }

    /// Reads all rows of a list that has no times to walk by.
    pub(in crate::cli) fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
    ) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        for page in 1_u64.. {
            let mut query = query.clone();
            query.push(("page", page.to_string()));
            let mut list: List<T> = self.page(path, &query, PAGE_MAX)?;
            let is_last = list.data.is_empty();
            all.append(&mut list.data);
            if is_last || all.len() as u64 >= list.meta.total {
                break;
            }
        }
        Ok(all)
    }
}
