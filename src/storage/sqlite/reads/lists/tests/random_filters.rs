//! Random filters and pages, of which some name rows of a fixture and some name nothing.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use super::list_fixture::{ListFixture, START_US, TYPES};
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;
use crate::domain::endpoint_health::EndpointState;
use crate::domain::event::EventStatus;
use crate::domain::tags::Tag;
use crate::storage::filter::{DeliveryFilter, EventFilter, MessageFilter, Page};

/// Returns something in one of `one_in` cases.
pub(super) fn maybe(random: &mut StdRng, one_in: u32) -> Option<()> {
    random.random_ratio(1, one_in).then_some(())
}

pub(super) fn random_page(random: &mut StdRng) -> Page {
    Page {
        number: match random.random_range(0..10) {
            0 => u64::MAX,
            1..6 => random.random_range(1..8),
            _ => 1,
        },
        limit: random.random_range(1..=20),
    }
}

pub(super) fn random_visibility(fixture: &ListFixture, random: &mut StdRng) -> Visibility {
    match random.random_range(0..12) {
        0 => Visibility::Workspace(Uuid::max()),
        1..5 => Visibility::Workspace(fixture.workspaces.choose(random).unwrap().id),
        _ => Visibility::All,
    }
}

/// Returns no values in most cases; else a few, of which some may be repeated and some may be `nobody`.
fn some<T: Clone>(random: &mut StdRng, all: &[T], nobody: T) -> Vec<T> {
    if random.random_ratio(3, 5) {
        return Vec::new();
    }
    let count = random.random_range(1..4);
    (0..count)
        .map(|_| match random.random_range(0..8) {
            0 => nobody.clone(),
            _ => all.choose(random).unwrap().clone(),
        })
        .collect()
}

pub(super) fn some_workspaces(fixture: &ListFixture, random: &mut StdRng) -> Vec<Uuid> {
    let ids: Vec<Uuid> = fixture.workspaces.iter().map(|row| row.id).collect();
    some(random, &ids, Uuid::nil())
}

pub(super) fn some_states(random: &mut StdRng) -> Vec<EndpointState> {
    // No endpoint is paused.
    some(random, &EndpointState::ALL, EndpointState::Paused)
}

fn some_endpoints(fixture: &ListFixture, random: &mut StdRng) -> Vec<Uuid> {
    let ids: Vec<Uuid> = fixture.endpoints.iter().map(|row| row.id).collect();
    some(random, &ids, Uuid::nil())
}

/// Returns no messages in most cases, so that most filters leave rows.
fn some_messages(fixture: &ListFixture, random: &mut StdRng) -> Vec<Uuid> {
    let ids: Vec<Uuid> = fixture.events.iter().map(|row| row.message_id).collect();
    if ids.is_empty() || maybe(random, 3).is_none() {
        return Vec::new();
    }
    some(random, &ids, Uuid::nil())
}

fn random_time(random: &mut StdRng, times: &[i64]) -> Option<Timestamp> {
    let time = match random.random_range(0..12) {
        0..6 => return None,
        6 => *[i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX]
            .choose(random)
            .unwrap(),
        7 => START_US / 3_600_000_000 * 3_600_000_000 + random.random_range(-1..20) * 3_600_000_000,
        _ => times.choose(random).copied().unwrap_or(START_US) + random.random_range(-1..=1),
    };
    Some(Timestamp::from_micros(time))
}

fn random_query(random: &mut StdRng, ids: &[Uuid]) -> Option<String> {
    maybe(random, 3)?;
    let id = ids.choose(random).copied().unwrap_or(Uuid::max());
    let text = match random.random_range(0..8) {
        0 => id.to_string(),
        1 => id.simple().to_string(),
        2 => Uuid::nil().to_string(),
        3 => (*["404", "0", "20", "50", "-4", "xyz", "%", "_", "", " ", "é"]
            .choose(random)
            .unwrap())
        .to_owned(),
        _ => {
            let text = id.to_string();
            let start = random.random_range(0..30);
            let end = random.random_range(start + 1..=(start + 8).min(36));
            text[start..end].to_owned()
        }
    };
    Some(if random.random() {
        text.to_uppercase()
    } else {
        text
    })
    .filter(|text| !text.trim().is_empty())
}

pub(super) fn delivery_filter(fixture: &ListFixture, random: &mut StdRng) -> DeliveryFilter {
    let times: Vec<i64> = fixture
        .deliveries
        .iter()
        .map(|row| row.created_at)
        .collect();
    let mut ids: Vec<Uuid> = fixture.deliveries.iter().map(|row| row.id).collect();
    ids.extend(fixture.events.iter().map(|row| row.id));
    DeliveryFilter {
        visibility: random_visibility(fixture, random),
        workspaces: some_workspaces(fixture, random),
        endpoints: some_endpoints(fixture, random),
        event: maybe(random, 8).map(|()| ids.choose(random).copied().unwrap_or_default()),
        messages: some_messages(fixture, random),
        event_types: some(random, &TYPES.map(str::to_owned), "none".to_owned()),
        after: random_time(random, &times),
        before: random_time(random, &times),
        succeeded: maybe(random, 3).map(|()| random.random()),
        code_class: maybe(random, 4).map(|()| *CodeClass::ALL.choose(random).unwrap()),
        query: random_query(random, &ids),
    }
}

pub(super) fn event_filter(fixture: &ListFixture, random: &mut StdRng) -> EventFilter {
    let times: Vec<i64> = fixture.events.iter().map(|row| row.created_at).collect();
    let ids: Vec<Uuid> = (fixture.events.iter())
        .flat_map(|row| [row.id, row.message_id])
        .collect();
    EventFilter {
        visibility: random_visibility(fixture, random),
        workspaces: some_workspaces(fixture, random),
        endpoints: some_endpoints(fixture, random),
        messages: some_messages(fixture, random),
        event_types: some(random, &TYPES.map(str::to_owned), "none".to_owned()),
        statuses: (0..random.random_range(0..4))
            .map(|_| *EventStatus::ALL.choose(random).unwrap())
            .collect(),
        after: random_time(random, &times),
        before: random_time(random, &times),
        code_class: maybe(random, 4).map(|()| *CodeClass::ALL.choose(random).unwrap()),
        query: random_query(random, &ids),
    }
}

pub(super) fn message_filter(fixture: &ListFixture, random: &mut StdRng) -> MessageFilter {
    let times: Vec<i64> = fixture.messages.iter().map(|row| row.created_at).collect();
    let mut ids: Vec<Uuid> = fixture.messages.iter().map(|row| row.id).collect();
    ids.extend(fixture.events.iter().map(|row| row.id));
    let endpoints: Vec<Uuid> = fixture.endpoints.iter().map(|row| row.id).collect();
    MessageFilter {
        visibility: random_visibility(fixture, random),
        workspaces: some_workspaces(fixture, random),
        event_types: some(random, &TYPES.map(str::to_owned), "none".to_owned()),
        after: random_time(random, &times),
        before: random_time(random, &times),
        unrouted: maybe(random, 3).map(|()| random.random()),
        missing_for: maybe(random, 3).map(|()| *endpoints.choose(random).unwrap()),
        query: random_query(random, &ids),
        tags: random_tags(random),
    }
}

fn random_tags(random: &mut StdRng) -> Vec<Tag> {
    let count = maybe(random, 3).map_or(0, |()| random.random_range(1..4));
    let texts = ["a:1", "a:2", "b:1", "b:3", "c:1"];
    let tags = (0..count).filter_map(|_| Tag::parse(texts.choose(random)?));
    tags.collect()
}
