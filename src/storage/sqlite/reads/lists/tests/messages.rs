//! The list of messages against the model.

use uuid::Uuid;

use super::list_fixture::{EventRow, ListFixture, MessageRow, TYPES};
use super::list_messages;
use super::model::{any_of, for_each_fixture, is_text, paged, query_matches, whole_uuid};
use super::random_filters::{message_filter, random_page};
use crate::domain::clock::Timestamp;
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::message::{StoredMessage, server_timestamp};
use crate::domain::tags::Tags;
use crate::storage::filter::MessageFilter;

#[test]
fn messages_are_those_of_the_model() {
    let mut missing = 0;
    for_each_fixture(|fixture, random, name| {
        let filter = message_filter(fixture, random);
        let page = random_page(random);
        let query = filter.query.as_deref();
        let of_filter =
            (fixture.messages.iter().rev()).filter(|row| matches(fixture, row, &filter));
        let hits: Vec<&MessageRow> = of_filter
            .clone()
            .filter(|row| is_sought(fixture, row, query))
            .filter(|row| {
                filter
                    .missing_for
                    .is_none_or(|id| is_missing(fixture, row, id))
            })
            .filter(|row| tags_of(row.seq).has(&filter.tags))
            .collect();
        let expected: Vec<StoredMessage> =
            paged(&hits, page).map(|row| stored(fixture, row)).collect();
        let found = list_messages(&fixture.connection, &filter, page).unwrap();
        assert_eq!(found.searched_back_to, None, "{name}");
        let listed = found.listed;
        assert_eq!(listed.total, hits.len() as u64, "{name}: {filter:?}");
        assert_eq!(listed.items, expected, "{name}: {filter:?} {page:?}");
        if filter.missing_for.is_some() {
            missing += hits.len();
            assert!(
                listed.searched.unwrap() >= listed.total,
                "{name}: {filter:?}"
            );
        } else {
            let is_searched = match query.and_then(whole_uuid) {
                Some(_) => false,
                None => is_text(query) || !filter.tags.is_empty(),
            };
            let searched = is_searched.then(|| of_filter.count() as u64);
            assert_eq!(listed.searched, searched, "{name}: {filter:?}");
        }
    });
    assert!(missing > 500, "{missing}");
}

fn matches(fixture: &ListFixture, row: &MessageRow, filter: &MessageFilter) -> bool {
    let workspace = fixture.workspaces[row.workspace].id;
    filter.visibility.includes(workspace)
        && any_of(&filter.workspaces, &workspace)
        && any_of(&filter.event_types, &TYPES[row.event_type].to_owned())
        && (filter.after).is_none_or(|time| row.created_at > time.micros())
        && (filter.before).is_none_or(|time| row.created_at < time.micros())
        && (filter.unrouted).is_none_or(|it| it == (row.events == 0))
}

/// The ids of events are looked up, but not searched for text.
fn is_sought(fixture: &ListFixture, row: &MessageRow, query: Option<&str>) -> bool {
    let events = events_of(fixture, row);
    let looked_up = |id: Uuid| events.clone().any(|event| event.id == id);
    match query.and_then(whole_uuid) {
        Some(id) => row.id == id || looked_up(id),
        None => query_matches(query, &[row.id], &[], None),
    }
}

fn events_of<'f>(
    fixture: &'f ListFixture,
    row: &'f MessageRow,
) -> impl Iterator<Item = &'f EventRow> + Clone {
    let of_message = |event: &&EventRow| event.message_id == row.id;
    fixture.events.iter().filter(of_message)
}

/// Reports whether an endpoint missed a message, by the definition.
pub(crate) fn is_missing(fixture: &ListFixture, row: &MessageRow, endpoint: Uuid) -> bool {
    let Some(at) = fixture.endpoints.iter().position(|it| it.id == endpoint) else {
        return false;
    };
    let endpoint = &fixture.endpoints[at];
    let event_type = EventType::from_stored(TYPES[row.event_type].to_owned());
    let mut subscriptions = endpoint.subscriptions.split_whitespace();
    let is_wanted =
        subscriptions.any(|text| Subscription::parse(text).unwrap().matches(&event_type));
    let events = events_of(fixture, row);
    let all_are_there = events.clone().count() as u64 == row.events;
    !endpoint.deleted
        && endpoint.workspace == row.workspace
        && is_wanted
        && row.body.is_some()
        && !row.is_direct
        && all_are_there
        && !events.clone().any(|event| event.endpoint == at)
}

/// Returns the tags of the message with this number: some messages have none.
pub(super) fn tags_of(message: i64) -> Tags {
    let mut tags = Tags::NONE;
    for (name, value) in [("a", message % 3), ("b", message % 4)] {
        if value > 0 {
            tags.set(name.to_owned(), value.to_string());
        }
    }
    tags
}

fn stored(fixture: &ListFixture, row: &MessageRow) -> StoredMessage {
    let created_at = Timestamp::from_micros(row.created_at);
    StoredMessage {
        id: row.id,
        workspace_id: fixture.workspaces[row.workspace].id,
        event_type: EventType::from_stored(TYPES[row.event_type].to_owned()),
        timestamp: server_timestamp(created_at),
        created_at,
        tags: tags_of(row.seq),
        is_archived: row.body.is_none(),
        events: row.events,
    }
}
