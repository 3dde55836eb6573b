//! Lists of deliveries, events, messages and endpoints, and their exact totals.
//!
//! **Order.** Lists are in the order of `seq`, which is the order of commit, newest first. Each filter
//! becomes a few index scans in that order ([`plan::ScanPlan`]), which are merged here ([`merge`]) and not by
//! `SQLite`. So there are few different statements: the cache holds them, and a test reads all their query
//! plans. And no filter, however long, makes `SQLite` sort, as `IN` on the leading column of an index would.
//!
//! **Newest rows.** The [list indexes](crate::storage::sqlite::writer::list_indexes) by workspace, endpoint
//! and type do not have the newest rows yet: one scan of the table itself finds those.
//!
//! **Pages.** The rows before a page are skipped on the index alone. Only the page's rows are read from their
//! table, and of those as many as the caller has memory for. The caller gets the numbers of the others, and
//! reads them later.
//!
//! **Times** become ranges of `seq` by bisection ([`time_range`]), so no index holds a time.
//!
//! **Totals** add up the counters of whole blocks and count the edges on the index ([`totals`]).
//!
//! **Text** is searched for in whole rows, by a function that the database calls ([`search`]). If the rows have to come from
//! a disk, threads help ([`helpers`]).
//!
//! **Consistency.** A list takes several statements, which share one read transaction: total and page show
//! the same moment. The connection must not be in a transaction already.
//!
//! **Cost.** The caller limits the time of a list by interrupting the connection; every function here then
//! returns an error. There are some 150 different statements: the connection's cache should hold
//! [`STATEMENTS`] of them.

mod codes;
mod deliveries;
mod endpoints;
mod event_selection;
mod events;
mod helpers;
mod merge;
mod message_list;
mod message_selection;
mod messages;
mod payload;
mod plan;
mod query;
mod rows;
mod scan;
mod scope;
mod search;
mod statement;
mod statuses;
mod tagged;
mod time_range;
mod totals;
mod upwards;
mod waiting;

#[cfg(test)]
pub(in crate::storage::sqlite) mod tests;

pub(crate) use self::deliveries::list_deliveries;
pub(crate) use self::endpoints::list_endpoints;
pub(crate) use self::events::{count_events, find_event, list_events};
pub(crate) use self::helpers::Helpers;
pub(crate) use self::message_list::list_messages;
pub(crate) use self::messages::has_message;
pub(crate) use self::payload::read_payload;
pub(crate) use self::rows::{deliveries, endpoints, events};
pub(crate) use self::search::install;
pub(crate) use self::upwards::{
    UpwardScan, count_selected, endpoints_of_named, missing_ranges, scope_of,
};
pub(crate) use self::waiting::waiting_endpoints;

/// Capacity of the statement cache that suits a connection for lists.
pub(crate) const STATEMENTS: usize = 256;
