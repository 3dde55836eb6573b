//! Retention against a model: random histories, in which retention is applied again and again.

mod comparison;
mod history;
mod soundness;
mod workload;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::history::{DAY, History};
use self::soundness::assert_sound;
use crate::storage::sqlite::writer::counters::BLOCK;

/// Half an hour less than events are kept beside the list indexes.
const ALMOST_KEPT: Duration = Duration::from_mins(24 * 60 - 30);

/// Random histories. Each has some dozen steps.
const HISTORIES: u64 = 25;

#[test]
fn pending_and_young_events_stay_and_all_other_events_go() {
    for seed in 0..HISTORIES {
        let mut random = StdRng::seed_from_u64(seed);
        let mut history = History::new(&mut random);
        for _ in 0..60 {
            match random.random_range(0..20) {
                0..8 => history.publish(&mut random),
                8..14 => history.attempt(&mut random),
                14 => history.redeliver(&mut random),
                15 => history.restart(random.random_range(0..60_000)),
                16 => history.disable_or_enable(&mut random),
                _ => {
                    history.pass(DAY * random.random_range(1..40) / 4);
                    history.apply();
                }
            }
        }
        history.apply();
        history.assert_is_as_modelled(seed);
        assert_sound(history.database(), seed);
        history.restart(random.random_range(0..60_000));
        history.publish(&mut random);
        history.assert_is_as_modelled(seed);
        assert_sound(history.database(), seed);
    }
}

/// Rows are deleted while the writer adds a batch of rows to the list indexes, before and behind the mark.
#[test]
fn rows_may_go_while_the_list_indexes_take_them_in() {
    let mut random = StdRng::seed_from_u64(7);
    let mut history = History::with_endpoints(60);
    for round in 0..36 {
        for _ in 0..20 {
            history.publish(&mut random);
            history.attempt_all(&mut random);
            history.pass(Duration::from_mins(1));
        }
        if round % 4 == 3 {
            history.pass(ALMOST_KEPT);
            history.apply();
            history.assert_is_as_modelled(round);
            history.pass(Duration::from_mins(10));
            history.apply();
            assert_sound(history.database(), round);
        }
    }
    assert!(history.indexed_events() > 8000, "no batch was complete");
}

/// Making room may delete the events of a message that was published within a day.
#[test]
fn an_idempotency_key_outlives_the_events_of_its_message() {
    let mut random = StdRng::seed_from_u64(3);
    let mut history = History::with_endpoints(2);
    let first = history.publish_with_key("k");
    history.attempt_all(&mut random);
    history.delete_all();
    let again = history.publish_with_key("k");
    assert_eq!((again.message.id, again.replayed), (first.message.id, true));
    assert_eq!(again.message.events, [], "they are gone");
    history.pass(DAY + Duration::from_mins(1));
    history.delete_all();
    assert_sound(history.database(), 0);
    let fresh = history.publish_with_key("k");
    assert!(!fresh.replayed && fresh.message.id != first.message.id);
}

/// An endpoint is disabled while an attempt is under way, and the skipped event is deleted before the attempt ends.
#[test]
fn an_attempt_of_a_deleted_event_leaves_nothing() {
    let mut random = StdRng::seed_from_u64(4);
    let mut history = History::with_endpoints(2);
    history.publish(&mut random);
    let attempts = history.attempts_under_way();
    assert_eq!(attempts.len(), 1);
    history.disable_all();
    history.delete_all();
    history.end_attempts(attempts);
    assert_eq!(history.recorded(), 1, "the engine waits for it");
    history.assert_is_as_modelled(0);
    assert_sound(history.database(), 0);
    history.publish(&mut random);
    history.assert_is_as_modelled(0);
}

#[test]
fn the_numbers_of_deleted_rows_are_not_given_again() {
    let mut random = StdRng::seed_from_u64(5);
    let mut history = History::with_endpoints(2);
    let newest =
        |history: &History| ["message", "event", "delivery"].map(|table| history.newest(table));
    for _ in 0..3 {
        history.publish(&mut random);
        history.attempt_all(&mut random);
    }
    let before = newest(&history);
    history.pass(DAY);
    history.delete_all();
    assert_eq!(newest(&history), [0; 3]);
    history.restart(0);
    history.publish(&mut random);
    history.attempt_all(&mut random);
    assert_eq!(newest(&history), before.map(|number| number + 1));
}

/// The newest block has no counters yet. If its rows go, it is not the block of the newest row that is left.
#[test]
fn a_block_is_counted_once_although_the_rows_of_later_ones_went_before_a_restart() {
    let mut random = StdRng::seed_from_u64(6);
    let mut history = History::with_endpoints(2);
    // It is not attempted, and stays.
    history.publish(&mut random);
    history.pass(Duration::from_mins(1));
    history.restart(BLOCK);
    history.publish(&mut random);
    history.attempt_all(&mut random);
    history.pass(2 * DAY);
    history.apply();
    history.assert_is_as_modelled(0);
    history.restart(BLOCK);
    history.publish(&mut random);
    history.assert_is_as_modelled(0);
    assert_sound(history.database(), 0);
}

/// An event is redelivered between the search for payloads and the step that drops them.
#[test]
fn a_payload_that_was_needed_again_goes_when_it_is_not() {
    let mut history = History::with_endpoints(1);
    history.keep_only_payloads_of_the_first_workspace_for(DAY);
    let messages = ["1", "2", "3"].map(|key| history.publish_with_key(key).message);
    let events = messages.map(|message| message.events[0].0);
    history.end_attempts(history.attempts_under_way());
    history.pass(2 * DAY);
    let looks = Cell::new(0);
    // The first look is the search's.
    let redelivered = RefCell::new(Vec::new());
    let before_look = || {
        looks.set(looks.get() + 1);
        if looks.get() == 2 {
            redelivered
                .borrow_mut()
                .push(history.redeliver_one(events[2]));
        }
    };
    history.apply_with(&before_look);
    assert_eq!(
        events.map(|event| history.is_archived(event)),
        [true, true, false]
    );
    history.end_attempts(redelivered.take());
    history.apply_with(&|| {});
    assert_eq!(events.map(|event| history.is_archived(event)), [true; 3]);
}
