//! Recording attempts: the next state of the event, and the delivery.

use std::time::Duration;

use super::fixture::{BYTES, Open, SECOND, StoreFixture};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::delivery::Delivery;
use crate::domain::event::EventStatus;
use crate::storage::{AttemptRecord, DeliveryFilter, Page, QueuedEvent, Seq, Verdict};

pub(super) fn an_attempt_moves_its_event_as_the_verdict_says(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    it.clock.advance(SECOND);
    let due = it.now().after(SECOND);
    let cases = [
        (Verdict::Succeeded, EventStatus::Succeeded, 204),
        (Verdict::RetryAt(due), EventStatus::Pending, 500),
        (Verdict::Failed, EventStatus::Failed, 500),
        (Verdict::Gone, EventStatus::Failed, 410),
    ];
    for (verdict, status, code) in cases {
        let queued = it.published(&workspace);
        let recorded = it.record(&queued, verdict);
        let event = it.event(queued.id);
        let next = matches!(verdict, Verdict::RetryAt(_)).then_some(due);
        assert_eq!(event.status, status, "{verdict:?}");
        assert_eq!(event.next_attempt_at, next, "{verdict:?}");
        assert_eq!(event.attempts, 1);
        assert_eq!(event.last_http_code, Some(code));
        assert_eq!(event.modified_at, Some(it.now()));
        assert_eq!(recorded.due, next);
        assert_eq!(recorded.seq, queued.seq);
        assert_eq!(recorded.endpoint, it.number(&endpoint));
        assert_eq!(it.fresh(queued.endpoint, Seq(0)).len(), 0);
    }
}

fn deliveries(it: &StoreFixture, event: &QueuedEvent) -> Vec<Delivery> {
    let filter = DeliveryFilter {
        event: Some(event.id),
        ..DeliveryFilter::ALL
    };
    let found = it
        .store
        .list_deliveries(&filter, Page::FIRST, BYTES)
        .unwrap();
    found.rows.into_iter().map(|row| row.item).collect()
}

pub(super) fn a_delivery_tells_the_attempt_as_it_was(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let first = it.published(&workspace);
    it.store_record(AttemptRecord {
        code: None,
        error: Some(AttemptFailure::Timeout),
        response: Some("timed out".to_owned()),
        ..it.attempt_record(&first, Verdict::RetryAt(it.now()))
    });
    let second = &it.retries(first.endpoint)[0];
    it.record(second, Verdict::Succeeded);
    let [newer, older] = &deliveries(&it, &first)[..] else {
        panic!("not two deliveries");
    };
    assert_eq!((older.attempt, newer.attempt), (1, 2));
    assert_eq!((older.succeeded, newer.succeeded), (false, true));
    assert_eq!((older.http_code, newer.http_code), (None, Some(204)));
    assert_eq!(older.error, Some(AttemptFailure::Timeout));
    assert_eq!(newer.error, None);
    assert_eq!(older.response.as_deref(), Some("timed out"));
    assert_eq!(newer.response.as_deref(), Some("said"));
    assert_eq!((older.duration_ms, newer.duration_ms), (7, 7));
    for delivery in [newer, older] {
        assert_eq!(delivery.endpoint_id, endpoint.id);
        assert_eq!(delivery.event, it.event(first.id));
    }
}

pub(super) fn attempts_of_all_runs_are_numbered_in_the_order_of_their_records(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    // Each of these copies says that no attempt was made yet.
    let first = it.published(&workspace);
    let second = it.redeliver(&first);
    let third = it.redeliver(&first);
    it.record(&second, Verdict::Failed);
    it.record(&first, Verdict::Failed);
    it.record(&third, Verdict::Failed);
    let numbers = deliveries(&it, &first)
        .into_iter()
        .map(|delivery| delivery.attempt);
    assert_eq!(numbers.collect::<Vec<u32>>(), [3, 2, 1]);
}

pub(super) fn a_wait_does_not_grow_by_a_clock_that_was_set_back(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let queued = it.published(&workspace);
    let decided_at = it.now();
    let wait = Duration::from_secs(30);
    let record = it.attempt_record(&queued, Verdict::RetryAt(decided_at.after(wait)));
    let now = decided_at.before(Duration::from_hours(1));
    it.clock.step_wall_clock(now);
    let recorded = it.store_record(record);
    assert_eq!(recorded.due, Some(now.after(wait)));
    assert_eq!(it.event(queued.id).next_attempt_at, recorded.due);
}

pub(super) fn an_attempt_of_a_skipped_run_succeeds_or_is_skipped(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let cases = [
        (Verdict::Succeeded, EventStatus::Succeeded),
        (Verdict::RetryAt(it.now()), EventStatus::Skipped),
        (Verdict::Failed, EventStatus::Skipped),
        (Verdict::Gone, EventStatus::Skipped),
    ];
    let events = cases.map(|_| it.published(&workspace));
    it.set_enabled(&endpoint, false);
    for ((verdict, status), event) in cases.into_iter().zip(&events) {
        assert_eq!(it.status(event), EventStatus::Skipped);
        assert_eq!(it.record(event, verdict).due, None);
        assert_eq!(it.status(event), status, "{verdict:?}");
        assert_eq!(it.event(event.id).attempts, 1);
        assert_eq!(deliveries(&it, event).len(), 1);
    }
    it.set_enabled(&endpoint, true);
    assert_eq!(it.retries(events[0].endpoint).len(), 0);
}

pub(super) fn an_attempt_of_a_replaced_run_counts_and_changes_nothing_but_by_an_early_success(
    open: Open,
) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    // The newer run has made no attempt: only a success of the older one ends it.
    for verdict in [Verdict::Failed, Verdict::Gone, Verdict::RetryAt(it.now())] {
        let older = it.published(&workspace);
        it.redeliver(&older);
        assert_eq!(it.record(&older, verdict).due, None);
        let event = it.event(older.id);
        assert_eq!((event.status, event.attempts), (EventStatus::Pending, 1));
    }
    let older = it.published(&workspace);
    it.redeliver(&older);
    assert_eq!(it.record(&older, Verdict::Succeeded).due, None);
    assert_eq!(it.status(&older), EventStatus::Succeeded);
    // The newer run has made one: its result is the newest.
    let older = it.published(&workspace);
    let newer = it.redeliver(&older);
    let due = it.now().after(SECOND);
    it.retry_at(&newer, due);
    assert_eq!(it.record(&older, Verdict::Succeeded).due, None);
    let event = it.event(older.id);
    assert_eq!((event.status, event.attempts), (EventStatus::Pending, 2));
    assert_eq!(event.next_attempt_at, Some(due));
}

pub(super) fn a_final_event_keeps_its_state_whatever_attempts_end_later(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let cases = [
        (Verdict::Succeeded, Verdict::Failed, EventStatus::Succeeded),
        (Verdict::Failed, Verdict::Succeeded, EventStatus::Failed),
    ];
    for (newest, late, status) in cases {
        let older = it.published(&workspace);
        let newer = it.redeliver(&older);
        it.record(&newer, newest);
        assert_eq!(it.record(&older, late).due, None);
        let event = it.event(older.id);
        assert_eq!((event.status, event.attempts), (status, 2));
        assert_eq!(deliveries(&it, &older).len(), 2);
    }
}
