//! Pages of lists, and what narrows them.

use uuid::Uuid;

use crate::domain::access::Reach;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;
use crate::domain::event::EventStatus;

/// How many rows a text `query` looks at, newest first: about half a second's worth.
pub const QUERY_SCAN_MAX: u64 = 1_000_000;

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Counts from 1.
    pub number: u64,
    /// Rows on a page, 1 to 100.
    pub limit: u64,
}

impl Page {
    /// Rows before this page; saturates, and a page past the end is empty.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.number.saturating_sub(1).saturating_mul(self.limit)
    }
}

/// Names a row of a list until it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowNumber(pub(super) i64);

/// A page of rows and the exact number of rows on all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The rows of the page.
    pub items: Vec<T>,
    /// Rows on all pages.
    pub total: u64,
    /// With a text query: how many rows it looked at.
    pub searched: Option<u64>,
}

/// Which endpoints. Several values of one field: any of them.
#[derive(Clone, Debug)]
pub struct EndpointFilter {
    /// Whose.
    pub reach: Reach,
    /// In these workspaces; empty: in all.
    pub workspaces: Vec<Uuid>,
    /// With this in their URL, in any case.
    pub url: Option<String>,
}

/// Which deliveries. Several values of one field: any of them.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    /// Whose.
    pub reach: Reach,
    /// In these workspaces; empty: in all.
    pub workspaces: Vec<Uuid>,
    /// To these endpoints; empty: to all.
    pub endpoints: Vec<Uuid>,
    /// Of this event.
    pub event: Option<Uuid>,
    /// Of these types; empty: of all.
    pub event_types: Vec<String>,
    /// Made after this time, not at it.
    pub after: Option<Timestamp>,
    /// Made before this time, not at it.
    pub before: Option<Timestamp>,
    /// With this result.
    pub succeeded: Option<bool>,
    /// Answered with such a code.
    pub code_class: Option<CodeClass>,
    /// A whole UUID (delivery or event) is looked up; other text is sought in ids and codes among the
    /// newest [`QUERY_SCAN_MAX`].
    pub query: Option<String>,
}

/// Which events. Several values of one field: any of them.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Whose.
    pub reach: Reach,
    /// In these workspaces; empty: in all.
    pub workspaces: Vec<Uuid>,
    /// To these endpoints; empty: to all.
    pub endpoints: Vec<Uuid>,
    /// Of these types; empty: of all.
    pub event_types: Vec<String>,
    /// In these states; empty: in any.
    pub statuses: Vec<EventStatus>,
    /// Published after this time, not at it.
    pub after: Option<Timestamp>,
    /// Published before this time, not at it.
    pub before: Option<Timestamp>,
    /// A whole UUID (event or message) is looked up; other text is sought in ids and codes among the
    /// newest [`QUERY_SCAN_MAX`].
    pub query: Option<String>,
}

#[cfg(test)]
impl DeliveryFilter {
    /// All deliveries of all workspaces.
    pub(crate) const ALL: Self = Self {
        reach: Reach::Server,
        workspaces: Vec::new(),
        endpoints: Vec::new(),
        event: None,
        event_types: Vec::new(),
        after: None,
        before: None,
        succeeded: None,
        code_class: None,
        query: None,
    };
}

#[cfg(test)]
impl EventFilter {
    /// All events of all workspaces.
    pub(crate) const ALL: Self = Self {
        reach: Reach::Server,
        workspaces: Vec::new(),
        endpoints: Vec::new(),
        event_types: Vec::new(),
        statuses: Vec::new(),
        after: None,
        before: None,
        query: None,
    };
}

#[cfg(test)]
impl Page {
    /// The first page, as long as pages may be.
    pub(crate) const FIRST: Self = Self {
        number: 1,
        limit: 100,
    };
}
