//! What the simulation may see of a [`Scheduler`]: sums as they are kept, and counted anew.

use super::Scheduler;
use super::shares::place;
use crate::delivery::endpoint_queue::EndpointQueue;
use crate::storage::EndpointNumber;

/// The sums over all endpoints.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct Sums {
    pub(in crate::delivery) windows: usize,
    pub(in crate::delivery) bodies: usize,
    /// Good, new, bad.
    pub(in crate::delivery) in_flight: [u32; 3],
}

impl Scheduler {
    /// The sums as they are kept.
    pub(in crate::delivery) fn sums(&self) -> Sums {
        Sums {
            windows: self.windows,
            bodies: self.bodies,
            in_flight: self.shares.in_flight(),
        }
    }

    /// The sums, counted anew.
    pub(in crate::delivery) fn recount(&self) -> Sums {
        let mut sums = Sums::default();
        for queue in self.endpoints.values() {
            sums.windows += queue.occupied();
            sums.bodies += queue.recounted_bytes();
            sums.in_flight[place(queue.health.class())] += queue.flying();
        }
        sums
    }

    /// The queue of an endpoint.
    pub(in crate::delivery) fn queue(&self, number: EndpointNumber) -> Option<&EndpointQueue> {
        self.endpoints.get(&number).map(Box::as_ref)
    }

    /// The endpoints that are held.
    pub(in crate::delivery) fn held(&self) -> Vec<EndpointNumber> {
        self.numbers()
    }
}
