//! The reads of a store in memory. A list looks at every row.

use uuid::Uuid;

use super::interest::is_wanted;
use super::tables::{DeliveryRow, MessageRow, Tables};
use crate::domain::access::Visibility;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{CodeClass, Delivery};
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint_health::{EndpointHealth, LastResults};
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_state::{EventState, Run};
use crate::domain::rest::Waits;
use crate::domain::workspace::Workspace;
use crate::storage::{
    DeliveryFilter, EndpointFilter, EventBody, EventFilter, Listed, ListedMessages, MessageFilter,
    Page, Paged, Row, Seq, StoreError, Verdict,
};

/// Reports whether a list of a filter has `value`. An empty list stands for any value.
fn any_of<T: PartialEq>(list: &[T], value: &T) -> bool {
    list.is_empty() || list.contains(value)
}

fn is_between(at: Timestamp, after: Option<Timestamp>, before: Option<Timestamp>) -> bool {
    after.is_none_or(|after| at > after) && before.is_none_or(|before| at < before)
}

fn is_of_class(code: Option<u16>, class: Option<CodeClass>) -> bool {
    class.is_none_or(|class| code.is_some_and(|code| code / 100 == class.hundreds()))
}

/// Returns a page of rows that come newest first, and their count.
fn page_of<T>(rows: impl Iterator<Item = T>, page: Page) -> (Vec<T>, u64) {
    let mut items = Vec::new();
    let mut total = 0;
    for row in rows {
        if total >= page.offset() && (items.len() as u64) < page.limit {
            items.push(row);
        }
        total += 1;
    }
    (items, total)
}

fn paged<T>(rows: impl Iterator<Item = T>, page: Page) -> Paged<T> {
    let (items, total) = page_of(rows, page);
    let whole = |item| Row {
        item,
        payload: None,
    };
    Paged {
        rows: items.into_iter().map(whole).collect(),
        rest: Vec::new(),
        total,
        searched: None,
    }
}

impl Tables {
    /// Returns the endpoint as it is shown at `now`.
    pub(super) fn endpoint(&self, index: usize, now: Timestamp) -> Endpoint {
        let row = &self.queue.endpoints[index];
        let mut last = LastResults::default();
        for delivery in &self.deliveries {
            let was_made = delivery.record.error != Some(AttemptFailure::Expired);
            if was_made && self.queue.row(delivery.seq).endpoint == index {
                let succeeded = delivery.record.verdict == Verdict::Succeeded;
                last.record(succeeded, delivery.created_at);
            }
        }
        let (is_disabled, is_paused) = (row.disabled.is_some(), row.target.paused);
        Endpoint {
            disabled_reason: row.disabled,
            health: EndpointHealth::of(is_disabled, is_paused, row.rest, row.failures, last, now),
            ..self.endpoints[index].clone()
        }
    }

    pub(super) fn event_id(&self, seq: Seq) -> Uuid {
        self.events[&seq].id
    }

    pub(super) fn locate_event(&self, visibility: Visibility, id: Uuid) -> Result<Seq, StoreError> {
        let mut events = self.events.iter();
        let found = events.find(|(seq, row)| {
            row.id == id
                && visibility.includes(self.endpoints[self.queue.row(**seq).endpoint].workspace_id)
        });
        found.map(|(seq, _)| *seq).ok_or(StoreError::NotFound)
    }

    /// Returns the event as it is shown at `now`.
    pub(super) fn event(&self, seq: Seq, now: Timestamp) -> Event {
        let (row, queued) = (&self.events[&seq], self.queue.row(seq));
        let skip_through = self.queue.endpoints[queued.endpoint].target.skip_through;
        let status = queued
            .state
            .status(Run(queued.run).is_skipped(skip_through));
        let due = match queued.state {
            EventState::Fresh => row.created_at,
            _ => queued.due,
        };
        let waits = Waits::of(queued.state, queued.run_attempt, true);
        let rest = self.queue.endpoints[queued.endpoint].rest;
        let next = rest.next_attempt_at(due, waits, now);
        Event {
            id: row.id,
            message_id: row.message_id,
            endpoint_id: self.endpoints[queued.endpoint].id,
            event_type: row.event_type.clone(),
            status,
            attempts: queued.attempts,
            last_http_code: row.last_http_code,
            next_attempt_at: (status == EventStatus::Pending).then_some(next),
            payload: Some(String::from_utf8_lossy(row.body.bytes()).into_owned()),
            created_at: row.created_at,
            modified_at: row.modified_at,
        }
    }

    /// Returns the delivery as it is shown at `now`.
    pub(super) fn delivery(&self, row: &DeliveryRow, now: Timestamp) -> Delivery {
        let event = self.event(row.seq, now);
        let record = &row.record;
        Delivery {
            id: row.id,
            endpoint_id: event.endpoint_id,
            event,
            attempt: row.attempt,
            succeeded: record.verdict == Verdict::Succeeded,
            http_code: record.code,
            error: record.error,
            response: record.response.clone(),
            duration_ms: record.duration_ms,
            created_at: row.created_at,
        }
    }

    pub(super) fn bodies(&self, seqs: &[Seq], bytes: usize) -> Vec<Option<EventBody>> {
        let mut room = bytes;
        let mut bodies = Vec::new();
        for seq in seqs {
            let body = self.events[seq].body.clone();
            if body.size() > room && !bodies.is_empty() {
                break;
            }
            room = room.saturating_sub(body.size());
            bodies.push(Some(body));
        }
        bodies
    }
    pub(super) fn list_workspaces(&self, visibility: Visibility, page: Page) -> Listed<Workspace> {
        let rows = self.workspaces.iter().rev();
        let shown = rows.filter(|row| !row.is_deleted && visibility.includes(row.workspace.id));
        let (items, total) = page_of(shown.map(|row| row.workspace.clone()), page);
        Listed {
            items,
            total,
            searched: None,
        }
    }

    pub(super) fn list_endpoints(
        &self,
        filter: &EndpointFilter,
        page: Page,
        now: Timestamp,
    ) -> Paged<Endpoint> {
        let sought = filter.url.as_deref().unwrap_or_default().to_lowercase();
        let shown = (0..self.endpoints.len()).rev().filter(|index| {
            let endpoint = &self.endpoints[*index];
            !self.queue.endpoints[*index].deleted
                && filter.visibility.includes(endpoint.workspace_id)
                && any_of(&filter.workspaces, &endpoint.workspace_id)
                && any_of(&filter.keys, &endpoint.settings.key.as_str().to_owned())
                && endpoint
                    .settings
                    .target
                    .url
                    .as_str()
                    .to_lowercase()
                    .contains(&sought)
        });
        let shown = shown.map(|index| self.endpoint(index, now));
        paged(
            shown.filter(|endpoint| any_of(&filter.states, &endpoint.health.state)),
            page,
        )
    }

    /// Reports whether an event fits these parts of a filter.
    fn is_in_scope(
        &self,
        seq: Seq,
        visibility: Visibility,
        workspaces: &[Uuid],
        endpoints: &[Uuid],
        event_types: &[String],
    ) -> bool {
        let endpoint = &self.endpoints[self.queue.row(seq).endpoint];
        let event_type = self.events[&seq].event_type.as_str().to_owned();
        visibility.includes(endpoint.workspace_id)
            && any_of(workspaces, &endpoint.workspace_id)
            && any_of(endpoints, &endpoint.id)
            && any_of(event_types, &event_type)
    }

    pub(super) fn list_events(
        &self,
        filter: &EventFilter,
        page: Page,
        now: Timestamp,
    ) -> Paged<Event> {
        let in_scope = self.events.keys().rev().filter(|seq| {
            self.is_in_scope(
                **seq,
                filter.visibility,
                &filter.workspaces,
                &filter.endpoints,
                &filter.event_types,
            )
        });
        let events = in_scope.map(|seq| self.event(*seq, now));
        let shown = events.filter(|event| {
            any_of(&filter.statuses, &event.status)
                && any_of(&filter.messages, &event.message_id)
                && is_between(event.created_at, filter.after, filter.before)
                && is_of_class(event.last_http_code, filter.code_class)
        });
        paged(shown, page)
    }

    /// Reports whether an endpoint missed a message.
    fn is_missing(&self, row: &MessageRow, endpoint: Uuid) -> bool {
        let message = &row.message;
        let index = self.locate_endpoint(Visibility::All, endpoint);
        index.is_ok_and(|index| {
            let endpoint = &self.endpoints[index];
            endpoint.workspace_id == message.workspace_id
                && is_wanted(&endpoint.settings, message, &row.body)
                && !message.events.iter().any(|(_, id)| *id == endpoint.id)
        })
    }

    pub(super) fn list_messages(&self, filter: &MessageFilter, page: Page) -> ListedMessages {
        let shown = self.messages.iter().rev().filter(|row| {
            let message = &row.message;
            filter.visibility.includes(message.workspace_id)
                && any_of(&filter.workspaces, &message.workspace_id)
                && any_of(&filter.event_types, &message.event_type.as_str().to_owned())
                && is_between(row.created_at, filter.after, filter.before)
                && (filter.unrouted).is_none_or(|it| it == message.events.is_empty())
                && (filter.missing_for).is_none_or(|id| self.is_missing(row, id))
                && message.tags.has(&filter.tags)
        });
        let (items, total) = page_of(shown.map(MessageRow::stored), page);
        let is_searched = filter.missing_for.is_some() || !filter.tags.is_empty();
        let searched = is_searched.then_some(self.messages.len() as u64);
        ListedMessages {
            listed: Listed {
                items,
                total,
                searched,
            },
            searched_back_to: None,
        }
    }

    pub(super) fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: Page,
        now: Timestamp,
    ) -> Paged<Delivery> {
        let in_scope = self.deliveries.iter().rev().filter(|row| {
            self.is_in_scope(
                row.seq,
                filter.visibility,
                &filter.workspaces,
                &filter.endpoints,
                &filter.event_types,
            )
        });
        let deliveries = in_scope.map(|row| self.delivery(row, now));
        let shown = deliveries.filter(|delivery| {
            let hundreds = delivery.http_code.map(|code| code / 100);
            filter.event.is_none_or(|id| delivery.event.id == id)
                && any_of(&filter.messages, &delivery.event.message_id)
                && filter.succeeded.is_none_or(|it| delivery.succeeded == it)
                && (filter.code_class).is_none_or(|it| hundreds == Some(it.hundreds()))
                && is_between(delivery.created_at, filter.after, filter.before)
        });
        paged(shown, page)
    }
}
