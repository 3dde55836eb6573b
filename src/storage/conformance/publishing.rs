//! Publishing: fan-out and idempotency.

use uuid::Uuid;

use super::fixture::{Open, StoreFixture, message};
use crate::domain::access::Visibility;
use crate::domain::event::EventStatus;
use crate::storage::{EventFilter, Page, Published, StoreError};

pub(super) fn a_message_becomes_an_event_for_each_endpoint_that_subscribes(open: Open) {
    let it = StoreFixture::new(open);
    let workspace = it.workspace("tenant");
    let first = it.endpoint(&workspace, &["a"]);
    let _other = it.endpoint(&workspace, &["b"]);
    let second = it.endpoint(&workspace, &["b", "a"]);
    let _neighbour = it.endpoint(&it.workspace("neighbour"), &["a"]);
    let Published { message, replayed } = it.publish(&workspace, "a");
    assert!(!replayed);
    assert_eq!(message.workspace_id, workspace.id);
    let endpoints: Vec<Uuid> = message.events.iter().map(|(_, it)| *it).collect();
    assert_eq!(endpoints, [first.id, second.id]);
    for (id, endpoint) in &message.events {
        let event = it.event(*id);
        assert_eq!(event.status, EventStatus::Pending);
        assert_eq!(event.message_id, message.id);
        assert_eq!(event.endpoint_id, *endpoint);
        assert_eq!(event.attempts, 0);
        assert_eq!(event.next_attempt_at, Some(event.created_at));
        let payload = event.payload.expect("it is kept");
        assert!(payload.contains(r#""type":"a""#), "{payload}");
    }
}

pub(super) fn a_message_that_no_endpoint_wants_is_stored_without_events(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let published = it.publish(&workspace, "unwanted");
    assert_eq!(published.message.events, []);
    assert_eq!(it.events(&EventFilter::ALL, Page::FIRST), (vec![], 0));
}

pub(super) fn a_disabled_or_deleted_endpoint_gets_no_events(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, disabled) = it.tenant();
    let deleted = it.endpoint(&workspace, &["a"]);
    let enabled = it.endpoint(&workspace, &["a"]);
    it.set_enabled(&disabled, false);
    let delete = it.store.delete_endpoint(Visibility::All, deleted.id);
    assert_eq!(delete.wait(), Ok(()));
    let events = it.publish(&workspace, "a").message.events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1, enabled.id);
    it.set_enabled(&disabled, true);
    assert_eq!(it.publish(&workspace, "a").message.events.len(), 2);
}

pub(super) fn a_repeated_key_returns_the_first_message_and_publishes_nothing(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let publish = || {
        let message = message(workspace.id, "a", "{}", Some("key"));
        it.store.publish(message).wait().unwrap()
    };
    let first = publish();
    assert!(!first.replayed);
    let notices = it.notices().len();
    it.clock.advance(super::fixture::SECOND);
    let second = publish();
    assert!(second.replayed);
    assert_eq!(second.message, first.message);
    assert_eq!(it.notices().len(), notices);
    assert_eq!(it.events(&EventFilter::ALL, Page::FIRST).1, 1);
}

pub(super) fn a_key_with_another_body_is_refused(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let publish = |data| {
        let message = message(workspace.id, "a", data, Some("key"));
        it.store.publish(message).wait()
    };
    publish("1").unwrap();
    assert_eq!(publish("2"), Err(StoreError::IdempotencyKeyReused));
    assert_eq!(it.events(&EventFilter::ALL, Page::FIRST).1, 1);
}

pub(super) fn a_key_belongs_to_its_workspace_and_is_free_after_a_day(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let neighbour = it.workspace("neighbour");
    let publish = |workspace_id, data| {
        let message = message(workspace_id, "a", data, Some("key"));
        it.store.publish(message).wait().unwrap().replayed
    };
    assert!(!publish(workspace.id, "1"));
    assert!(!publish(neighbour.id, "2"));
    it.clock.advance(std::time::Duration::from_hours(24));
    assert!(publish(workspace.id, "1"), "the key is kept for a day");
    it.clock.advance(super::fixture::SECOND);
    assert!(!publish(workspace.id, "3"), "the key is free again");
}

pub(super) fn an_unknown_or_deleted_workspace_is_refused(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let publish = |id| it.store.publish(message(id, "a", "{}", None)).wait();
    let unknown = Uuid::from_u128(7);
    assert_eq!(publish(unknown), Err(StoreError::UnknownWorkspace(unknown)));
    let deleted = workspace.id;
    let delete = it.store.delete_workspace(Visibility::All, deleted);
    assert_eq!(delete.wait(), Ok(()));
    assert_eq!(publish(deleted), Err(StoreError::UnknownWorkspace(deleted)));
}
