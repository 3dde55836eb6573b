//! The endpoint's rest: resumed at the start, told to the store, ended by a change of the endpoint.

use std::time::Duration;

use super::EndpointQueue;
use super::noted_rest::NotedRest;
use crate::delivery::protocol::Now;
use crate::storage::{EndpointRest, HealthEpoch, RestNote};

impl EndpointQueue {
    /// Begins with the rest and the hold that were stored by an earlier process.
    pub(in crate::delivery) fn resume_rest(
        &mut self,
        rest: EndpointRest,
        epoch: HealthEpoch,
        cap: u32,
        now: Now,
    ) {
        (self.noted_rest, self.health) = NotedRest::resumed(rest, epoch, cap, now);
    }

    /// Notes the epoch of a new queue.
    pub(in crate::delivery) fn begin_epoch(&mut self, epoch: HealthEpoch) {
        self.noted_rest = NotedRest::of_epoch(epoch);
    }

    /// Forgets the health of the endpoint, and begins another epoch. The attempts in flight do not count for it.
    pub(in crate::delivery) fn reset(&mut self, epoch: HealthEpoch) {
        self.health.reset();
        self.in_flight.reset();
        self.begin_epoch(epoch);
    }

    /// Notes that the wall clock was set; if forward, by `advance`.
    pub(in crate::delivery) fn clock_was_set(&mut self, advance: Duration) {
        self.health.clock_advanced(advance);
        self.noted_rest.forget_wall_times();
    }

    /// Returns the rest as it is now, for the store.
    pub(in crate::delivery) fn rest_note(&mut self, now: Now) -> RestNote {
        self.noted_rest.note(&self.health, now)
    }
}
