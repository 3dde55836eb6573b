//! Tests of the engine on a real store, with scripted receivers and a clock that the test moves.

mod engine_fixture;

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

use self::engine_fixture::{Answer, EngineFixture};
use crate::domain::access::Visibility;
use crate::domain::attempt_failure::AttemptFailure;
use crate::storage::Store;

const DELIVERED: &str = "SELECT count(*) FROM event WHERE state = 2";

#[test]
fn events_are_delivered_in_publish_order_and_recorded() {
    // With eight senders an endpoint has one attempt at a time. Of two senders, the one that takes its job
    // later may be seen here earlier.
    let engine = EngineFixture::with_senders(8);
    engine.endpoint("https://a");
    let published: Vec<String> = (0..300)
        .flat_map(|_| engine.publish())
        .map(|id| id.to_string())
        .collect();
    let seen = engine.script.wait("https://a", 300);
    engine.wait_for("succeeded", DELIVERED, 300);
    engine.wait_for(
        "deliveries",
        "SELECT count(*) FROM delivery WHERE succeeded AND attempt = 1",
        300,
    );
    assert_eq!(engine.script.count(), 300, "nothing is sent twice");
    assert_eq!(seen, published);
}

#[test]
fn a_failed_event_is_retried_on_schedule_and_then_failed() {
    let engine = EngineFixture::new();
    engine.endpoint("https://a");
    engine.script.answer("https://a", Answer::Code(404));
    engine.publish();
    let mut attempts = 1;
    engine.script.wait("https://a", 1);
    for wait in [5.0, 30.0, 120.0_f64] {
        let sql = format!("SELECT count(*) FROM event WHERE state = 1 AND attempts = {attempts}");
        engine.wait_for("waiting", &sql, 1);
        engine.clock.advance(Duration::from_secs_f64(wait * 0.79));
        engine.clock.advance(Duration::from_secs_f64(wait * 0.42));
        attempts += 1;
        engine.script.wait("https://a", attempts);
    }
    engine.wait_for(
        "failed",
        "SELECT count(*) FROM event WHERE state = 3 AND attempts = 4",
        1,
    );
    engine.wait_for("counted", "SELECT failures FROM endpoint", 1);
    engine.clock.advance(Duration::from_secs(100_000));
    assert_eq!(engine.script.count(), 4);
}

#[test]
fn a_dead_endpoint_rests_and_its_waiting_events_are_not_charged() {
    let engine = EngineFixture::new();
    engine.endpoint("https://a");
    engine
        .script
        .answer("https://a", Answer::Error(AttemptFailure::Connect));
    for _ in 0..20 {
        engine.publish();
    }
    engine.script.wait("https://a", 3);
    engine.wait_for("recorded", "SELECT count(*) FROM delivery", 3);
    engine.wait_for(
        "uncharged",
        "SELECT count(*) FROM event WHERE attempts = 0",
        17,
    );
    engine.script.answer("https://a", Answer::Code(200));
    engine.clock.advance(Duration::from_secs(7));
    engine.wait_for("after rest", DELIVERED, 20);
}

#[test]
fn gone_disables_and_skips_and_enabling_starts_over() {
    let engine = EngineFixture::new();
    let endpoint = engine.endpoint("https://a");
    engine
        .script
        .answer("https://a", Answer::CodeAfter(503, "60"));
    for _ in 0..5 {
        engine.publish();
    }
    engine.script.wait("https://a", 1);
    engine.wait_for("held", "SELECT count(*) FROM delivery", 1);
    engine.script.answer("https://a", Answer::Code(410));
    engine.clock.advance(Duration::from_secs(59));
    engine.clock.advance(Duration::from_secs(2));
    engine.script.wait("https://a", 2);
    engine.wait_for(
        "gone",
        "SELECT count(*) FROM endpoint WHERE disabled = 1",
        1,
    );
    engine.wait_for("skipped", "SELECT count(*) FROM event WHERE state = 4", 4);
    assert!(engine.publish().is_empty());
    engine.script.answer("https://a", Answer::Code(204));
    engine.patch(endpoint, true);
    engine.publish();
    engine.wait_for("delivered again", DELIVERED, 1);
}

#[test]
fn redelivery_waits_for_neither_rest_nor_hold_and_counts_on() {
    let engine = EngineFixture::new();
    engine.endpoint("https://a");
    engine
        .script
        .answer("https://a", Answer::Error(AttemptFailure::Connect));
    let ids: Vec<Uuid> = (0..3).flat_map(|_| engine.publish()).collect();
    engine.wait_for("resting", "SELECT count(*) FROM delivery", 3);
    engine.script.answer("https://a", Answer::Code(404));
    engine
        .store
        .redeliver(Visibility::All, ids[1])
        .wait()
        .unwrap();
    engine.script.wait("https://a", 4);
    engine.wait_for(
        "counted",
        "SELECT count(*) FROM delivery WHERE attempt = 2",
        1,
    );
    engine.script.answer("https://a", Answer::Code(200));
    engine
        .store
        .redeliver(Visibility::All, ids[2])
        .wait()
        .unwrap();
    engine.wait_for("delivered", DELIVERED, 1);
    engine.clock.advance(Duration::from_secs(7));
    engine.wait_for("the others in their time", DELIVERED, 3);
    engine
        .store
        .redeliver(Visibility::All, ids[2])
        .wait()
        .unwrap();
    engine.wait_for("once more", "SELECT max(attempt) FROM delivery", 3);
}

#[test]
fn a_restart_resumes_what_was_pending() {
    let mut engine = EngineFixture::new();
    engine.endpoint("https://a");
    engine
        .script
        .answer("https://a", Answer::Error(AttemptFailure::Connect));
    for _ in 0..3000 {
        engine.publish();
    }
    engine.wait_for("resting", "SELECT count(*) FROM delivery", 3);
    engine.restart();
    engine.script.answer("https://a", Answer::Code(200));
    engine.clock.advance(Duration::from_secs(100));
    engine.wait_for("delivered", DELIVERED, 3000);
}

/// A hundredth of the backlog may wait in memory, and the process ends twice in the middle of it.
#[test]
fn a_backlog_that_is_mostly_on_disk_is_delivered_in_order_through_restarts() {
    const EVENTS: usize = 100_000;
    // One attempt at a time, so that the receivers see them in the order of their starts.
    let mut engine = EngineFixture::with_senders(8);
    engine.endpoint("https://a");
    engine
        .script
        .answer("https://a", Answer::Error(AttemptFailure::Connect));
    let mut published = Vec::with_capacity(EVENTS);
    // So few wait for the writer at a time that its queue has room for them.
    for _ in 0..EVENTS / 1000 {
        let group: Vec<_> = (0..1000).map(|_| engine.submit()).collect();
        for pending in group {
            let (id, _) = pending.wait().unwrap().message.events[0];
            published.push(id.to_string());
        }
    }
    // The endpoint rests after three failures, so three events have had their first attempt.
    engine.wait_for("resting", "SELECT count(*) FROM delivery", 3);
    for part in [EVENTS / 3, EVENTS * 2 / 3, EVENTS] {
        engine.restart();
        engine.script.answer("https://a", Answer::Code(200));
        engine.clock.advance(Duration::from_secs(100));
        engine.script.wait_for_total(part);
    }
    engine.wait_for("delivered", DELIVERED, i64::try_from(EVENTS).unwrap());
    let mut known = HashSet::new();
    let seen = engine.script.seen_by("https://a");
    let firsts: Vec<&String> = seen.iter().filter(|id| known.insert(*id)).collect();
    assert_eq!(
        seen.len(),
        EVENTS + 3,
        "but for the three, nothing is sent twice"
    );
    assert_eq!(firsts.len(), EVENTS);
    assert!(firsts.into_iter().eq(&published), "the order of publish");
}

#[test]
fn after_a_disable_is_answered_no_attempt_starts() {
    let engine = EngineFixture::new();
    let endpoint = engine.endpoint("https://a");
    engine.script.answer("https://a", Answer::Hang);
    for _ in 0..10 {
        engine.publish();
    }
    engine.script.wait("https://a", 1);
    engine.patch(endpoint, false);
    let started = engine.script.count();
    engine.script.release();
    engine.wait_for("swept", "SELECT count(*) FROM event WHERE state = 4", 10);
    engine.wait_for(
        "recorded",
        "SELECT count(*) FROM delivery",
        i64::try_from(started).unwrap(),
    );
    assert_eq!(engine.script.count(), started);
}
