//! Charts, summaries and overviews, and the look-ups of messages and types.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::fixture::{BYTES, Open, SECOND, StoreFixture, message, named};
use crate::domain::access::Visibility;
use crate::domain::chart::{
    AttemptCounts, Chart, ChartRange, ChartScope, ChartSum, ChartedAttempt,
};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::domain::overview::{
    EndpointCounts, EndpointSummary, EventCounts, HourCounts, SUMMARY_HOURS,
};
use crate::domain::workspace::Workspace;
use crate::storage::{AttemptRecord, QueuedEvent, StoreError, Verdict};

const HOUR: Duration = Duration::from_hours(1);

/// An attempt, as a model keeps it.
struct Attempt {
    workspace: Uuid,
    endpoint: Uuid,
    at: Timestamp,
    facts: ChartedAttempt,
}

fn expected(attempts: &[Attempt], scope: ChartScope, range: ChartRange, now: Timestamp) -> Chart {
    let mut sum = ChartSum::new(range, now);
    for attempt in attempts {
        let is_in_scope = match scope {
            ChartScope::All => true,
            ChartScope::Workspace(id) => id == attempt.workspace,
            ChartScope::Endpoint(id) => id == attempt.endpoint,
        };
        if is_in_scope {
            let mut counts = AttemptCounts::default();
            counts.record(attempt.facts);
            sum.add(attempt.at, &counts);
        }
    }
    sum.finish()
}

/// Publishes a message and records attempts of its event, the last of which succeeds.
fn deliver(
    fixture: &StoreFixture,
    (workspace, endpoint): &(Workspace, Endpoint),
    random: &mut StdRng,
    attempts: &mut Vec<Attempt>,
) {
    let event = fixture.published(workspace);
    let failures: u32 = random.random_range(0..3);
    for number in 1..=failures + 1 {
        let succeeded = number > failures;
        let verdict = if succeeded {
            Verdict::Succeeded
        } else {
            Verdict::RetryAt(fixture.now())
        };
        let duration_ms = random.random_range(0..2000);
        fixture.store_record(AttemptRecord {
            duration_ms,
            ..fixture.attempt_record(&event, verdict)
        });
        attempts.push(Attempt {
            workspace: workspace.id,
            endpoint: endpoint.id,
            at: fixture.now(),
            facts: ChartedAttempt::new(succeeded, number, None, duration_ms),
        });
        fixture.clock.advance(SECOND * random.random_range(1..100));
    }
}

pub(super) fn charts_count_attempts_by_time_and_scope(open: Open) {
    let fixture = StoreFixture::new(open);
    let mut random = StdRng::seed_from_u64(1);
    let tenants: Vec<(Workspace, Endpoint)> = ["one", "two"]
        .map(|name| {
            let workspace = fixture.workspace(name);
            let endpoint = fixture.endpoint(&workspace, &["a"]);
            (workspace, endpoint)
        })
        .into();
    let mut attempts = Vec::new();
    for step in 0..60 {
        let tenant = &tenants[random.random_range(0..2)];
        deliver(&fixture, tenant, &mut random, &mut attempts);
        let minutes = [0, 0, 1, 20, 90, 3000][random.random_range(0..6)];
        fixture.clock.advance(SECOND * 60 * minutes);
        if step % 6 > 0 {
            continue;
        }
        for range in ChartRange::ALL {
            for (visibility, scope) in [
                (Visibility::All, ChartScope::All),
                (Visibility::All, ChartScope::Workspace(tenants[0].0.id)),
                (Visibility::All, ChartScope::Endpoint(tenants[1].1.id)),
            ] {
                let now = fixture.now();
                let found = fixture.store.chart(visibility, scope, range, now).unwrap();
                let expected = expected(&attempts, scope, range, now);
                assert_eq!(found, expected, "{scope:?}, step {step}");
            }
            let own = Visibility::Workspace(tenants[0].0.id);
            let now = fixture.now();
            let found = fixture.store.chart(own, ChartScope::All, range, now);
            let scope = ChartScope::Workspace(tenants[0].0.id);
            assert_eq!(found.unwrap(), self::expected(&attempts, scope, range, now));
        }
    }
}

pub(super) fn the_charts_of_others_are_absent(open: Open) {
    let fixture = StoreFixture::new(open);
    let (own, endpoint) = fixture.tenant();
    let other = fixture.workspace("other");
    let absent = |visibility, scope| {
        let now = fixture.now();
        let found = fixture.store.chart(visibility, scope, ChartRange::Day, now);
        found.err() == Some(StoreError::NotFound)
    };
    let others = Visibility::Workspace(other.id);
    assert!(!absent(Visibility::All, ChartScope::Endpoint(endpoint.id)));
    assert!(!absent(others, ChartScope::All));
    assert!(absent(others, ChartScope::Endpoint(endpoint.id)));
    assert!(absent(others, ChartScope::Workspace(own.id)));
    let store = &fixture.store;
    let found = store.overview(others, Some(own.id), fixture.now());
    assert_eq!(found, Err(StoreError::NotFound));
    let found = store.endpoint_summaries(others, &[endpoint.id], fixture.now());
    assert_eq!(found, Ok(Vec::new()));
    assert_eq!(
        store.event_types(others, own.id, 9),
        Err(StoreError::NotFound)
    );
    let published = fixture.publish(&own, "a").message;
    let found = store.find_message(others, published.id, BYTES);
    assert_eq!(found, Err(StoreError::NotFound));
    store
        .delete_endpoint(Visibility::All, endpoint.id)
        .wait()
        .unwrap();
    assert!(absent(Visibility::All, ChartScope::Endpoint(endpoint.id)));
    store
        .delete_workspace(Visibility::All, own.id)
        .wait()
        .unwrap();
    assert!(absent(Visibility::All, ChartScope::Workspace(own.id)));
    let found = store.overview(Visibility::All, Some(own.id), fixture.now());
    assert_eq!(found, Err(StoreError::NotFound));
}

fn summary(fixture: &StoreFixture, endpoint: &Endpoint) -> EndpointSummary {
    let ids = [Uuid::nil(), endpoint.id];
    let found = fixture
        .store
        .endpoint_summaries(Visibility::All, &ids, fixture.now());
    let [summary] = &found.unwrap()[..] else {
        panic!("there is one such endpoint");
    };
    summary.clone()
}

/// Records an attempt after which the event waits for an hour.
fn fail(fixture: &StoreFixture, event: &QueuedEvent) {
    fixture.retry_at(event, fixture.now().after(HOUR));
}

pub(super) fn a_summary_tells_the_state_of_an_endpoint(open: Open) {
    let fixture = StoreFixture::new(open);
    let (workspace, endpoint) = fixture.tenant();
    let empty = summary(&fixture, &endpoint);
    assert_eq!((empty.id, empty.failures), (endpoint.id, 0));
    assert_eq!(empty.day(), HourCounts::default());
    assert_eq!((empty.last_delivery, empty.oldest_pending), (None, None));
    assert_eq!((empty.pending.count, empty.pending.is_more), (0, false));

    let oldest = fixture.now();
    let first = fixture.published(&workspace);
    fail(&fixture, &first);
    let found = summary(&fixture, &endpoint);
    assert_eq!((found.day().succeeded, found.day().failed), (0, 1));
    fixture.clock.advance(HOUR * 5);
    let second = fixture.published(&workspace);
    fixture.published(&workspace);
    fixture.record(&second, Verdict::Succeeded);
    let found = summary(&fixture, &endpoint);
    assert_eq!((found.day().succeeded, found.day().failed), (1, 1));
    let last_hour = HourCounts {
        succeeded: 1,
        failed: 0,
    };
    assert_eq!(found.hours[SUMMARY_HOURS - 1], last_hour);
    assert_eq!(found.hours[SUMMARY_HOURS - 6].failed, 1);
    assert_eq!(
        (found.pending.count, found.oldest_pending),
        (2, Some(oldest))
    );
    let last = found.last_delivery.unwrap();
    assert_eq!((last.succeeded, last.http_code), (true, Some(204)));
    assert_eq!((last.created_at, last.duration_ms), (fixture.now(), 7));

    fixture.record(&first, Verdict::Failed);
    let found = summary(&fixture, &endpoint);
    assert_eq!((found.failures, found.pending.count), (1, 1));
    assert_eq!(found.last_delivery.unwrap().http_code, Some(500));
    // Skipped events are not pending, swept or not.
    fixture.set_enabled(&endpoint, false);
    let found = summary(&fixture, &endpoint);
    assert_eq!((found.pending.count, found.oldest_pending), (0, None));
    fixture.clock.advance(HOUR * 25);
    let found = summary(&fixture, &endpoint);
    assert_eq!(found.day(), HourCounts::default());
    assert!(found.last_delivery.is_some());
}

pub(super) fn an_overview_counts_what_is_pending_and_names_endpoints_in_trouble(open: Open) {
    let fixture = StoreFixture::new(open);
    let workspace = fixture.workspace("own");
    let make = |event_type: &str| {
        fixture.clock.advance(SECOND);
        fixture.endpoint(&workspace, &[event_type])
    };
    let names = ["gone", "failing", "worse", "waiting", "manual", "good"];
    let endpoints = names.map(make);
    let event_of = |at: usize| -> QueuedEvent {
        fixture.clock.advance(SECOND);
        fixture.publish(&workspace, names[at]);
        let number = fixture.number(&endpoints[at]);
        let fresh = fixture.fresh(number, crate::storage::Seq(0));
        fresh.last().unwrap().clone()
    };
    fixture.record(&event_of(0), Verdict::Gone);
    fixture.record(&event_of(1), Verdict::Failed);
    for _ in 0..2 {
        fixture.record(&event_of(2), Verdict::Failed);
    }
    let waiting = event_of(3);
    let oldest = fixture.now();
    fail(&fixture, &waiting);
    event_of(4);
    fixture.set_enabled(&endpoints[4], false);
    fixture.record(&event_of(5), Verdict::Succeeded);
    event_of(5);
    // Another workspace has one that is disabled because it fails, and the last to be disabled.
    let (other, failing) = fixture.tenant();
    for _ in 0..3 {
        fixture.clock.advance(SECOND);
        fixture.record(&fixture.published(&other), Verdict::Failed);
    }

    let now = fixture.now();
    let overview = fixture
        .store
        .overview(Visibility::All, Some(workspace.id), now);
    let overview = overview.unwrap();
    assert_eq!(
        (overview.pending, overview.oldest_pending),
        (2, Some(oldest))
    );
    let counts = EndpointCounts {
        enabled: 4,
        manual: 1,
        gone: 1,
        failing: 0,
    };
    assert_eq!(overview.endpoints, counts);
    let troubled: Vec<Uuid> = overview.troubled.iter().map(|it| it.endpoint.id).collect();
    assert_eq!(troubled, [0, 2, 1, 3].map(|at| endpoints[at].id));
    for it in &overview.troubled {
        assert_eq!(it.summary, summary(&fixture, &it.endpoint));
        assert_eq!(it.endpoint, fixture.stored(&it.endpoint));
    }
    let own = Visibility::Workspace(workspace.id);
    assert_eq!(fixture.store.overview(own, None, now), Ok(overview));

    let all = fixture.store.overview(Visibility::All, None, now).unwrap();
    assert_eq!((all.endpoints.failing, all.endpoints.all()), (1, 7));
    assert_eq!(all.troubled[0].endpoint.id, failing.id);
    assert_eq!((all.troubled.len(), all.pending), (5, 2));
    let rows = fixture.store.facts(now).rows.unwrap();
    assert_eq!((rows.workspaces, rows.endpoints), (2, all.endpoints));
    assert_eq!((rows.events, rows.deliveries), (11, 9));
}

pub(super) fn messages_and_types_are_found(open: Open) {
    let fixture = StoreFixture::new(open);
    let workspace = fixture.workspace("own");
    for _ in 0..2 {
        fixture.endpoint(&workspace, &["b.*"]);
    }
    let published = fixture.publish(&workspace, "b.one").message;
    let unrouted = fixture.publish(&workspace, "a.unwanted").message;
    fixture.publish(&workspace, "b.two");
    let other = fixture
        .store
        .create_workspace(named("other"))
        .wait()
        .unwrap();
    fixture
        .store
        .publish(message(other.id, "c", "{}", None))
        .wait()
        .unwrap();

    let find = |id| {
        fixture
            .store
            .find_message(Visibility::All, id, BYTES)
            .unwrap()
    };
    let found = find(published.id);
    assert_eq!(found.payload, None);
    let summary = found.item;
    let found = summary.message;
    assert_eq!((found.id, found.workspace_id), (published.id, workspace.id));
    assert_eq!((found.event_type, found.events), (published.event_type, 2));
    assert_eq!(
        (&found.timestamp, found.created_at),
        (&published.timestamp, fixture.now())
    );
    let payload = format!(
        r#"{{"type":"b.one","timestamp":"{}","data":{{}}}}"#,
        found.timestamp
    );
    assert_eq!(summary.payload, Some(payload));
    let pending = EventCounts {
        pending: 2,
        ..EventCounts::default()
    };
    assert_eq!(summary.counts, pending);
    let found = find(unrouted.id).item;
    assert_eq!(
        (found.message.events, found.counts),
        (0, EventCounts::default())
    );
    assert!(found.payload.is_some() && !found.message.is_archived);
    let none = fixture
        .store
        .find_message(Visibility::All, Uuid::nil(), BYTES);
    assert_eq!(none, Err(StoreError::NotFound));

    let types = |limit| {
        fixture
            .store
            .event_types(Visibility::All, workspace.id, limit)
            .unwrap()
    };
    assert_eq!(types(9), ["a.unwanted", "b.one", "b.two"]);
    assert_eq!(types(2), ["a.unwanted", "b.one"]);
}
