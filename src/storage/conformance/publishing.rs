//! Publishing: fan-out and idempotency.

use uuid::Uuid;

use super::fixture::{Open, StoreFixture, message};
use crate::domain::access::Visibility;
use crate::domain::endpoint::EndpointPatch;
use crate::domain::event::EventStatus;
use crate::domain::event_pattern::EventPattern;
use crate::domain::message::{Message, NewMessage};
use crate::domain::tags::{Tag, Tags};
use crate::storage::{
    EventFilter, MessageFault, MessageFilter, Notice, Page, Published, Seq, StoreError,
};

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

pub(super) fn a_filter_decides_who_gets_a_message_and_who_missed_it(open: Open) {
    let it = StoreFixture::new(open);
    let workspace = it.workspace("tenant");
    let publish = |data: &str, region: &str| {
        let mut tags = Tags::NONE;
        tags.set("region".to_owned(), region.to_owned());
        let new = NewMessage {
            tags,
            ..message(workspace.id, "a", data, None)
        };
        it.store.publish(new).wait().unwrap().message
    };
    let early = publish(r#"{"n":1}"#, "eu");
    let endpoint = it.endpoint(&workspace, &["a"]);
    let filter = |text: &str| {
        let patch = EndpointPatch {
            filter: Some(EventPattern::parse(text).unwrap()),
            ..EndpointPatch::default()
        };
        it.update(endpoint.id, patch).unwrap();
    };
    let missing = || -> Vec<Uuid> {
        let filter = MessageFilter {
            missing_for: Some(endpoint.id),
            ..MessageFilter::ALL
        };
        let found = it.store.list_messages(&filter, Page::FIRST).unwrap();
        found.listed.items.iter().map(|found| found.id).collect()
    };
    filter(r#"{"data":{"n":[1]},"tags":{"region":["eu"]}}"#);
    let wanted = publish(r#"{"n":1.0}"#, "eu");
    let other_data = publish(r#"{"n":2}"#, "eu");
    let other_tag = publish(r#"{"n":1}"#, "us");
    let gets = |message: &Message| !message.events.is_empty();
    assert!(gets(&wanted) && !gets(&other_data) && !gets(&other_tag));
    assert_eq!(missing(), [early.id]);
    filter(r#"{"tags":{"region":["us"]}}"#);
    assert_eq!(missing(), [other_tag.id]);
    filter("{}");
    assert_eq!(missing(), [other_tag.id, other_data.id, early.id]);
    assert!(gets(&publish("{}", "")));

    let found = it
        .store
        .find_endpoint(Visibility::All, endpoint.id)
        .unwrap();
    assert!(found.settings.filter.matches_everything());
    let list = |texts: &[&str]| -> Vec<Uuid> {
        let filter = MessageFilter {
            tags: texts.iter().filter_map(|text| Tag::parse(text)).collect(),
            ..MessageFilter::ALL
        };
        let found = it.store.list_messages(&filter, Page::FIRST).unwrap();
        found.listed.items.iter().map(|found| found.id).collect()
    };
    assert_eq!(list(&["region:us"]), [other_tag.id]);
    assert_eq!(list(&["region:us", "region:eu"]).len(), 4);
    assert!(list(&["region:us", "tier:gold"]).is_empty());
    assert_eq!(wanted.tags.get("region"), Some("eu"));
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

pub(super) fn a_message_that_names_endpoints_goes_to_these_alone(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, subscribed) = it.tenant();
    let other = it.endpoint(&workspace, &["b"]);
    let disabled = it.endpoint(&workspace, &["a"]);
    it.set_enabled(&disabled, false);
    let new = NewMessage {
        endpoint_ids: vec![disabled.id, other.id],
        ..message(workspace.id, "a", "1", Some("key"))
    };
    let published = it.store.publish(new.clone()).wait().unwrap();
    assert!(published.message.is_direct);
    let [(skipped, first), (pending, second)] = published.message.events[..] else {
        panic!("not two events: {published:?}");
    };
    assert_eq!((first, second), (disabled.id, other.id));
    assert_eq!(it.event(skipped).status, EventStatus::Skipped);
    assert_eq!(it.event(skipped).next_attempt_at, None);
    assert_eq!(it.event(pending).status, EventStatus::Pending);
    let told = it.notices().into_iter().filter_map(|notice| match notice {
        Notice::Published(event) => Some(event.id),
        _ => None,
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [pending],
        "nobody attempts the other"
    );
    // Once the endpoint is enabled, the skipped event can be sent, and is not sent by itself.
    it.set_enabled(&disabled, true);
    assert_eq!(it.event(skipped).status, EventStatus::Skipped);
    assert_eq!(it.store.redeliver(Visibility::All, skipped).wait(), Ok(()));
    assert_eq!(it.event(skipped).status, EventStatus::Pending);
    let again = it.store.publish(new).wait().unwrap();
    assert!(again.replayed);
    assert_eq!(again.message, published.message);
    let plain = it.publish(&workspace, "a").message;
    assert!(!plain.is_direct);
    let reached: Vec<Uuid> = plain.events.iter().map(|(_, endpoint)| *endpoint).collect();
    assert_eq!(reached, [subscribed.id, disabled.id]);
}

pub(super) fn endpoints_that_the_workspace_does_not_have_are_refused_by_their_places(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, known) = it.tenant();
    let deleted = it.endpoint(&workspace, &["a"]);
    let delete = it.store.delete_endpoint(Visibility::All, deleted.id);
    assert_eq!(delete.wait(), Ok(()));
    let nobodys = Uuid::from_u128(7);
    let foreign = it.endpoint(&it.workspace("neighbour"), &["a"]);
    let new = NewMessage {
        endpoint_ids: vec![known.id, deleted.id, foreign.id, nobodys],
        ..message(workspace.id, "a", "1", None)
    };
    let unknown = vec![(1, deleted.id), (2, foreign.id), (3, nobodys)];
    assert_eq!(
        it.store.publish(new).wait(),
        Err(StoreError::UnknownEndpoints(unknown))
    );
    assert_eq!(it.events(&EventFilter::ALL, Page::FIRST).1, 0);
}

pub(super) fn a_batch_is_stored_in_its_order(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let messages = ["1", "2", "3"].map(|data| message(workspace.id, "a", data, None));
    let published = it.store.publish_batch(messages.to_vec()).wait().unwrap();
    assert!(published.iter().all(|one| !one.replayed));
    let events: Vec<Uuid> = published
        .iter()
        .map(|one| one.message.events[0].0)
        .collect();
    let payloads = events.iter().map(|id| it.event(*id).payload.unwrap());
    for (payload, data) in payloads.zip(1..) {
        assert!(
            payload.ends_with(&format!(r#""data":{data}}}"#)),
            "{payload}"
        );
    }
    let fresh = it.fresh(it.number(&endpoint), Seq(0));
    let fresh: Vec<Uuid> = fresh.iter().map(|event| event.id).collect();
    assert_eq!(fresh, events);
}

pub(super) fn a_batch_replays_what_was_published_before_or_is_in_it_twice(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let keyed = |data, key| message(workspace.id, "a", data, Some(key));
    let earlier = it.store.publish(keyed("1", "one")).wait().unwrap();
    let batch = vec![
        keyed("2", "two"),
        keyed("1", "one"),
        keyed("2", "two"),
        message(workspace.id, "a", "2", None),
    ];
    let first = it.store.publish_batch(batch.clone()).wait().unwrap();
    let replayed: Vec<bool> = first.iter().map(|one| one.replayed).collect();
    assert_eq!(replayed, [false, true, true, false]);
    assert_eq!(first[1].message, earlier.message);
    assert_eq!(first[2].message, first[0].message);
    assert_eq!(it.events(&EventFilter::ALL, Page::FIRST).1, 3);
    let notices = it.notices().len();
    let second = it.store.publish_batch(batch[..3].to_vec()).wait().unwrap();
    assert!(second.iter().all(|one| one.replayed));
    assert_eq!(second[0].message, first[0].message);
    assert_eq!(it.notices().len(), notices);
}

pub(super) fn of_a_batch_with_a_fault_nothing_is_stored_and_all_faults_are_told(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let keyed = |data, key| message(workspace.id, "a", data, Some(key));
    it.store.publish(keyed("1", "used")).wait().unwrap();
    let unknown = Uuid::from_u128(7);
    let batch = vec![
        keyed("1", "new"),
        message(unknown, "a", "1", None),
        keyed("2", "used"),
        NewMessage {
            endpoint_ids: vec![endpoint.id, unknown],
            ..message(workspace.id, "a", "1", None)
        },
        keyed("2", "new"),
        message(workspace.id, "a", "1", None),
    ];
    let faults = vec![
        (1, MessageFault::UnknownWorkspace(unknown)),
        (2, MessageFault::KeyReused("used".to_owned())),
        (3, MessageFault::UnknownEndpoints(vec![(1, unknown)])),
        (4, MessageFault::KeyReused("new".to_owned())),
    ];
    let notices = it.notices().len();
    assert_eq!(
        it.store.publish_batch(batch).wait(),
        Err(StoreError::InvalidMessages(faults))
    );
    assert_eq!(it.events(&EventFilter::ALL, Page::FIRST).1, 1);
    assert_eq!(it.notices().len(), notices);
    let free = it.store.publish(keyed("3", "new")).wait().unwrap();
    assert!(!free.replayed, "a batch that is refused uses no key");
}
