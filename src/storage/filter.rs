//! Pages of lists, and the filters that limit them.

use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;
use crate::domain::endpoint_health::EndpointState;
use crate::domain::event::EventStatus;
use crate::domain::message::StoredMessage;
use crate::domain::tags::Tag;

/// The most rows that a text `query` searches, newest first: about half a second's worth.
pub const QUERY_SCAN_MAX: u64 = 1_000_000;

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number of the page, from 1.
    pub number: u64,
    /// Rows on a page, 1 to 100.
    pub limit: u64,
}

impl Page {
    /// Returns the number of rows before this page. It saturates; a page past the end is empty.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.number.saturating_sub(1).saturating_mul(self.limit)
    }
}

/// The number of a row of a list that is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowNumber(pub(super) i64);

/// A page of rows and the exact number of rows on all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The rows of the page.
    pub items: Vec<T>,
    /// Rows on all pages.
    pub total: u64,
    /// With a text query, or tags: the number of rows that were searched.
    pub searched: Option<u64>,
}

/// A filter of endpoints. If a field has several values, any of them matches.
#[derive(Clone, Debug)]
pub struct EndpointFilter {
    /// The objects that the caller may see.
    pub visibility: Visibility,
    /// In these workspaces; empty: in all.
    pub workspaces: Vec<Uuid>,
    /// In these states; empty: in any.
    pub states: Vec<EndpointState>,
    /// With one of these keys; empty: with any, or without.
    pub keys: Vec<String>,
    /// With this in their URL, in any case.
    pub url: Option<String>,
}

/// A filter of deliveries. If a field has several values, any of them matches.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    /// The objects that the caller may see.
    pub visibility: Visibility,
    /// In these workspaces; empty: in all.
    pub workspaces: Vec<Uuid>,
    /// To these endpoints; empty: to all.
    pub endpoints: Vec<Uuid>,
    /// Of this event.
    pub event: Option<Uuid>,
    /// Of these messages; empty: of all.
    pub messages: Vec<Uuid>,
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
    /// A text query: a whole UUID (delivery or event) is looked up; other text is searched for in ids and
    /// codes of the newest [`QUERY_SCAN_MAX`] rows.
    pub query: Option<String>,
}

/// A filter of events. If a field has several values, any of them matches.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// The objects that the caller may see.
    pub visibility: Visibility,
    /// In these workspaces; empty: in all.
    pub workspaces: Vec<Uuid>,
    /// To these endpoints; empty: to all.
    pub endpoints: Vec<Uuid>,
    /// Of these messages; empty: of all.
    pub messages: Vec<Uuid>,
    /// Of these types; empty: of all.
    pub event_types: Vec<String>,
    /// In these states; empty: in any.
    pub statuses: Vec<EventStatus>,
    /// Published after this time, not at it.
    pub after: Option<Timestamp>,
    /// Published before this time, not at it.
    pub before: Option<Timestamp>,
    /// With a last attempt that was answered with such a code.
    pub code_class: Option<CodeClass>,
    /// A text query: a whole UUID (event or message) is looked up; other text is searched for in ids and
    /// codes of the newest [`QUERY_SCAN_MAX`] rows.
    pub query: Option<String>,
}

/// A filter of messages. If a field has several values, any of them matches.
#[derive(Clone, Debug)]
pub struct MessageFilter {
    /// The objects that the caller may see.
    pub visibility: Visibility,
    /// In these workspaces; empty: in all.
    pub workspaces: Vec<Uuid>,
    /// Of these types; empty: of all.
    pub event_types: Vec<String>,
    /// Published after this time, not at it.
    pub after: Option<Timestamp>,
    /// Published before this time, not at it.
    pub before: Option<Timestamp>,
    /// True: without any event. False: with one.
    pub unrouted: Option<bool>,
    /// With these tags: for each name in the list, one of the values with this name. Searches the newest
    /// [`QUERY_SCAN_MAX`] rows.
    pub tags: Vec<Tag>,
    /// Missing for this endpoint: in its workspace, with a payload, wanted by its present subscriptions and its present
    /// filter, and without an event of it.
    pub missing_for: Option<Uuid>,
    /// A text query: a whole UUID (message, or one of its events) is looked up; other text is searched for in the
    /// ids of the newest [`QUERY_SCAN_MAX`] rows.
    pub query: Option<String>,
}

/// A page of messages, and the exact number of messages on all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMessages {
    /// The page.
    pub listed: Listed<StoredMessage>,
    /// With `missing_for`, if there was no time to examine all messages: the time of the oldest one that was examined.
    /// The page and the total are those of the examined ones.
    pub searched_back_to: Option<Timestamp>,
}

#[cfg(test)]
impl EndpointFilter {
    /// All endpoints of all workspaces.
    pub(crate) const ALL: Self = Self {
        visibility: Visibility::All,
        workspaces: Vec::new(),
        states: Vec::new(),
        keys: Vec::new(),
        url: None,
    };
}

impl DeliveryFilter {
    /// All deliveries of all workspaces.
    pub(crate) const ALL: Self = Self {
        visibility: Visibility::All,
        workspaces: Vec::new(),
        endpoints: Vec::new(),
        event: None,
        messages: Vec::new(),
        event_types: Vec::new(),
        after: None,
        before: None,
        succeeded: None,
        code_class: None,
        query: None,
    };
}

#[cfg(test)]
impl MessageFilter {
    /// All messages of all workspaces.
    pub(crate) const ALL: Self = Self {
        visibility: Visibility::All,
        workspaces: Vec::new(),
        event_types: Vec::new(),
        after: None,
        before: None,
        unrouted: None,
        tags: Vec::new(),
        missing_for: None,
        query: None,
    };
}

impl EventFilter {
    /// All events of all workspaces.
    pub(crate) const ALL: Self = Self {
        visibility: Visibility::All,
        workspaces: Vec::new(),
        endpoints: Vec::new(),
        messages: Vec::new(),
        event_types: Vec::new(),
        statuses: Vec::new(),
        after: None,
        before: None,
        code_class: None,
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
