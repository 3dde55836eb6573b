//! The tests of what is stored and shown of the rests of endpoints, and of their last attempts.

use std::time::Duration;

use super::fixture::{BYTES, Open, SECOND, StoreFixture};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::{Endpoint, EndpointPatch};
use crate::domain::endpoint_health::{EndpointHealth, EndpointState};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::retry::REST_MAX;
use crate::storage::{
    AttemptRecord, EndpointFilter, EndpointRest, HealthEpoch, Page, QueuedEvent, RestNote, Verdict,
};

/// A rest that ends in a minute, and a hold that ends half a minute later.
fn rest(it: &StoreFixture) -> EndpointRest {
    EndpointRest {
        rests: 2,
        resting_until: Some(it.now().after(60 * SECOND)),
        held_until: Some(it.now().after(90 * SECOND)),
    }
}

/// Records an attempt that left its endpoint with this rest.
fn note(it: &StoreFixture, event: &QueuedEvent, epoch: i64, rest: EndpointRest) {
    it.store_record(AttemptRecord {
        rest: Some(RestNote {
            epoch: HealthEpoch(epoch),
            rest,
        }),
        ..it.attempt_record(event, Verdict::RetryAt(it.now()))
    });
}

fn health(it: &StoreFixture, endpoint: &Endpoint) -> EndpointHealth {
    it.stored(endpoint).health
}

/// Returns the rest with which the engine would resume.
fn resumed(it: &StoreFixture) -> EndpointRest {
    it.queue.targets().unwrap()[0].rest
}

fn listed(it: &StoreFixture, states: &[EndpointState]) -> u64 {
    let filter = EndpointFilter {
        states: states.to_vec(),
        ..EndpointFilter::ALL
    };
    let listed = it.store.list_endpoints(&filter, Page::FIRST, BYTES);
    listed.unwrap().total
}

pub(super) fn a_rest_is_shown_until_it_ends_and_resumed_after_a_restart(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    assert_eq!(health(&it, &endpoint), EndpointHealth::NEW);
    assert_eq!(endpoint.health, EndpointHealth::NEW);
    let (event, waiting) = (it.published(&workspace), it.published(&workspace));
    let noted = rest(&it);
    note(&it, &event, 0, noted);
    let shown = health(&it, &endpoint);
    assert_eq!(shown.state, EndpointState::Resting);
    assert_eq!(shown.resting_until, noted.resting_until);
    assert_eq!(shown.held_until, noted.held_until);
    assert_eq!(resumed(&it), noted);
    assert_eq!(listed(&it, &[EndpointState::Resting]), 1);
    assert_eq!(listed(&it, &[EndpointState::Active]), 0);
    assert_eq!(listed(&it, &[]), 1);
    // Both events wait for the end of the hold; a later due time counts more.
    let next = |event: &QueuedEvent| it.event(event.id).next_attempt_at;
    assert_eq!(next(&event), noted.held_until);
    assert_eq!(next(&waiting), noted.held_until);
    let late = it.now().after(Duration::from_hours(5));
    it.retry_at(&it.retries(event.endpoint)[0], late);
    assert_eq!(next(&event), Some(late));
    it.redeliver(&event);
    assert_eq!(
        next(&event),
        Some(it.now()),
        "a redelivery waits for nothing"
    );
    it.clock.advance(60 * SECOND);
    let shown = health(&it, &endpoint);
    assert_eq!(shown.state, EndpointState::Active);
    assert_eq!(
        (shown.resting_until, shown.held_until),
        (None, noted.held_until)
    );
    assert_eq!(
        listed(&it, &[EndpointState::Active, EndpointState::Paused]),
        1
    );
    it.clock.advance(60 * SECOND);
    assert_eq!(health(&it, &endpoint).held_until, None);
    assert_eq!(next(&waiting), Some(it.now()), "never in the past");
    assert_eq!(resumed(&it), noted, "the engine goes on counting rests");
}

pub(super) fn a_rest_ends_with_its_url_by_enabling_and_by_disabling(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let event = it.published(&workspace);
    let noted = rest(&it);
    let patches = [
        EndpointPatch {
            url: Some(EndpointUrl::from_stored(
                "https://other.example/".to_owned(),
            )),
            ..EndpointPatch::default()
        },
        EndpointPatch {
            enabled: Some(true),
            ..EndpointPatch::default()
        },
    ];
    for (epoch, patch) in (0..).zip(patches) {
        note(&it, &event, epoch, noted);
        assert_eq!(health(&it, &endpoint).state, EndpointState::Resting);
        let name = EndpointPatch {
            name: Some(format!("name {epoch}")),
            ..EndpointPatch::default()
        };
        let renamed = it.update(endpoint.id, name).unwrap();
        assert_eq!(renamed.health.state, EndpointState::Resting);
        let ended = it.update(endpoint.id, patch).unwrap();
        assert_eq!(ended.health.state, EndpointState::Active);
        assert_eq!(resumed(&it), EndpointRest::default());
        assert_eq!(
            it.target(endpoint.id).0.health_epoch,
            HealthEpoch(epoch + 1)
        );
        // The engine had not heard of it when this attempt ended.
        note(&it, &event, epoch, noted);
        assert_eq!(health(&it, &endpoint).state, EndpointState::Active);
    }
    note(&it, &event, 2, noted);
    assert_eq!(listed(&it, &[EndpointState::Resting]), 1);
    it.set_enabled(&endpoint, false);
    note(&it, &event, 2, noted);
    let shown = health(&it, &endpoint);
    assert_eq!(shown.state, EndpointState::Disabled);
    assert_eq!((shown.resting_until, shown.held_until), (None, None));
    assert_eq!(listed(&it, &[EndpointState::Disabled]), 1);
    it.set_enabled(&endpoint, true);
    assert_eq!(health(&it, &endpoint).state, EndpointState::Active);
    assert_eq!(resumed(&it), EndpointRest::default());
}

pub(super) fn a_clock_that_was_set_back_shows_no_rest_that_is_too_long(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let event = it.published(&workspace);
    note(&it, &event, 0, rest(&it));
    it.clock
        .step_wall_clock(it.now().before(Duration::from_hours(9)));
    let latest = it.now().after(REST_MAX);
    let shown = health(&it, &endpoint);
    assert_eq!(shown.state, EndpointState::Resting);
    assert!(shown.resting_until.is_some_and(|end| end <= latest));
}

pub(super) fn the_last_attempts_are_told_by_their_result(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let mut expected: (Option<Timestamp>, Option<Timestamp>) = (None, None);
    let shown = || {
        let health = health(&it, &endpoint);
        let last = health.last;
        (last.success_at, last.failure_at)
    };
    assert_eq!(shown(), expected);
    for verdict in [
        Verdict::Failed,
        Verdict::Succeeded,
        Verdict::RetryAt(it.now()),
        Verdict::Succeeded,
        Verdict::Failed,
    ] {
        it.clock.advance(SECOND);
        let event = it.published(&workspace);
        it.record(&event, verdict);
        if verdict == Verdict::Succeeded {
            expected.0 = Some(it.now());
        } else {
            expected.1 = Some(it.now());
        }
        assert_eq!(shown(), expected, "{verdict:?}");
    }
    assert_eq!(health(&it, &endpoint).failures_in_a_row, 1);
    // A run that ended without an attempt says nothing of the endpoint.
    it.clock.advance(SECOND);
    let event = it.published(&workspace);
    it.expire(&event);
    assert_eq!(shown(), expected);
    let listed = it
        .store
        .list_endpoints(&EndpointFilter::ALL, Page::FIRST, BYTES);
    let last = listed.unwrap().rows[0].item.health.last;
    assert_eq!((last.success_at, last.failure_at), expected);
    let renamed = EndpointPatch {
        name: Some("renamed".to_owned()),
        ..EndpointPatch::default()
    };
    let last = it.update(endpoint.id, renamed).unwrap().health.last;
    assert_eq!((last.success_at, last.failure_at), expected);
}
