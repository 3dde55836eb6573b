//! The endpoints with events left to sweep, in the order of those events, and the time that sweeping may
//! take.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::storage::EndpointNumber;

/// The pause after a step of a sweep, in multiples of the time that the step took. So sweeping takes at most
/// a fifth of the writer's time, also while other work waits. No caller waits for a sweep, since an event
/// counts as skipped before it is swept.
const PAUSE_FACTOR: u32 = 4;

/// The endpoints with events left to sweep. The next one is that whose first event is the oldest.
#[derive(Debug, Default)]
pub(crate) struct SweepList {
    order: BTreeSet<(i64, EndpointNumber)>,
    /// For each endpoint, a number below which it has no event left to sweep.
    from: HashMap<EndpointNumber, i64>,
}

impl SweepList {
    /// Reports whether nothing is left to sweep.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds an endpoint of which any event may have to be swept.
    pub(crate) fn add(&mut self, endpoint: EndpointNumber) {
        self.go_on_from(endpoint, 0);
    }

    /// Returns the next endpoint, and the number below which none of its events is left.
    pub(crate) fn next(&self) -> Option<(i64, EndpointNumber)> {
        self.order.first().copied()
    }

    /// Notes that no event of `endpoint` below number `from` is left.
    pub(crate) fn go_on_from(&mut self, endpoint: EndpointNumber, from: i64) {
        self.remove(endpoint);
        self.from.insert(endpoint, from);
        self.order.insert((from, endpoint));
    }

    /// Removes an endpoint that has no event left.
    pub(crate) fn remove(&mut self, endpoint: EndpointNumber) {
        if let Some(from) = self.from.remove(&endpoint) {
            self.order.remove(&(from, endpoint));
        }
    }
}

/// The time from which the next step of a sweep may be made.
#[derive(Debug, Default)]
pub(super) struct SweepPace {
    began: Option<Instant>,
    pause_until: Option<Instant>,
}

impl SweepPace {
    /// Returns the time that is left of the pause.
    pub(super) fn pause_left(&self, now: Instant) -> Duration {
        self.pause_until
            .map_or(Duration::ZERO, |end| end.saturating_duration_since(now))
    }

    /// Notes that a step begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// Notes that the writer has done its work. If a step was part of it, the pause begins.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some(began) = self.began.take() {
            self.pause_until = Some(now + now.saturating_duration_since(began) * PAUSE_FACTOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_endpoint_is_that_with_the_oldest_event() {
        let [a, b] = [EndpointNumber(1), EndpointNumber(2)];
        let mut list = SweepList::default();
        list.add(a);
        list.go_on_from(a, 500);
        list.add(b);
        assert_eq!(list.next(), Some((0, b)), "one that joins is looked at");
        list.go_on_from(b, 700);
        assert_eq!(list.next(), Some((500, a)));
        list.go_on_from(a, 900);
        assert_eq!(list.next(), Some((700, b)));
        list.add(a);
        assert_eq!(list.next(), Some((0, a)), "added again: from the beginning");
        list.remove(a);
        assert_eq!(list.next(), Some((700, b)));
        list.remove(b);
        assert_eq!(list.next(), None);
        assert!(list.is_empty());
    }

    #[test]
    fn a_step_is_followed_by_a_pause_of_four_times_as_long() {
        let mut pace = SweepPace::default();
        let start = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(pace.pause_left(start), Duration::ZERO);
        pace.begin(start);
        pace.end(start + ms(10));
        assert_eq!(pace.pause_left(start + ms(10)), ms(40));
        pace.end(start + ms(30));
        assert_eq!(pace.pause_left(start + ms(30)), ms(20), "that was no step");
        assert_eq!(pace.pause_left(start + ms(50)), Duration::ZERO);
    }
}
