//! The tests of the turns: the rule with a clock of its own, and streams over sockets.

use std::sync::Arc;
use std::task::Wake;

use super::*;

/// A waker that is told from others by its number.
struct Numbered(#[expect(dead_code, reason = "only its address counts")] u64);

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {}
}

fn waker(number: u64) -> Waker {
    Waker::from(Arc::new(Numbered(number)))
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn handshakes_have_half_of_the_time_however_late_the_timer_is() {
    let start = Instant::now();
    for (took, late) in [
        (Duration::from_micros(100), MS),
        (MS, MS),
        (6 * MS, MS),
        (6 * MS, Duration::ZERO),
    ] {
        let mut rule = TurnRule::new(start);
        let (mut now, mut computed) = (start, Duration::ZERO);
        while now < start + 1000 * MS {
            if !rule.is_free(now) {
                now = rule.free_at + late;
            }
            rule.charge(now, took);
            now += took;
            computed += took;
        }
        let most = (now - start) / SHARE + CATCH_UP + took;
        assert!(computed <= most, "{took:?}: {computed:?} of {most:?}");
        assert!(
            computed * 5 >= most * 4,
            "{took:?}: {computed:?} of {most:?}"
        );
    }
}

#[test]
fn after_a_turn_as_much_time_passes_as_it_took() {
    let start = Instant::now();
    let mut rule = TurnRule::new(start);
    rule.charge(start, 10 * MS);
    assert!(!rule.is_free(start + 20 * MS - MS / 1000));
    assert!(rule.is_free(start + 20 * MS));
    // A quiet hour is not made up for, but for a moment.
    let later = start + Duration::from_hours(1);
    rule.charge(later, 10 * MS);
    assert!(!rule.is_free(later + 20 * MS - CATCH_UP - MS / 1000));
    assert!(rule.is_free(later + 20 * MS - CATCH_UP));
}

#[test]
fn the_newest_is_next_and_first_flights_alternate_with_later_ones() {
    let wakers: Vec<_> = (0..6).map(waker).collect();
    let mut rule = TurnRule::new(Instant::now());
    for (number, flight) in [
        (0, Flight::Later),
        (1, Flight::First),
        (2, Flight::First),
        (3, Flight::Later),
        (4, Flight::First),
        (5, Flight::First),
    ] {
        let place = u64::try_from(number).unwrap();
        assert!(rule.wait(place, flight, wakers[number].clone()).is_none());
    }
    // Waiting again renews the place.
    assert!(rule.wait(1, Flight::First, wakers[1].clone()).is_some());
    assert!(rule.leave(4).is_some_and(|left| left.will_wake(&wakers[4])));
    assert!(rule.leave(4).is_none());
    for expected in [5, 3, 2, 0, 1] {
        let next = rule.next().unwrap();
        assert!(next.will_wake(&wakers[expected]), "{expected} is next");
    }
    assert!(rule.next().is_none());
    assert!(rule.wait(9, Flight::Later, waker(9)).is_none());
    assert!(rule.next().is_some(), "with the other flights or without");
}
