//! The simulation's view of a [`Scheduler`]: the sums that it keeps, and the same sums counted anew.

use super::Scheduler;
use std::collections::BTreeMap;

use super::shares::Held;
use super::turns::Waiting;
use crate::delivery::endpoint_queue::EndpointQueue;
use crate::storage::{EndpointNumber, WorkspaceNumber};

/// The sums over all endpoints.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct Sums {
    pub(in crate::delivery) waiting: Waiting,
    pub(in crate::delivery) held: Held,
    /// The attempts in flight of each workspace that has any.
    pub(in crate::delivery) holders: Vec<(WorkspaceNumber, Held)>,
}

impl Scheduler {
    /// Returns the sums that the scheduler keeps.
    pub(in crate::delivery) fn sums(&self) -> Sums {
        Sums {
            waiting: self.waiting,
            held: self.turns.held(),
            holders: self.turns.holders(),
        }
    }

    /// Counts the sums anew.
    pub(in crate::delivery) fn recount(&self) -> Sums {
        let mut sums = Sums::default();
        let mut holders: BTreeMap<WorkspaceNumber, Held> = BTreeMap::new();
        for queue in self.endpoints.values() {
            sums.waiting.windows += queue.occupied();
            sums.waiting.bodies += queue.recounted_bytes();
            let holder = holders.entry(queue.workspace).or_default();
            for _ in 0..queue.in_flight() {
                sums.held.take(queue.health.class());
                holder.take(queue.health.class());
            }
        }
        holders.retain(|_, held| held.total() > 0);
        sums.holders = holders.into_iter().collect();
        sums
    }

    /// Returns the queue of an endpoint.
    pub(in crate::delivery) fn queue(&self, number: EndpointNumber) -> Option<&EndpointQueue> {
        self.endpoints.get(&number).map(Box::as_ref)
    }

    /// Returns the endpoints that the scheduler holds.
    pub(in crate::delivery) fn held(&self) -> Vec<EndpointNumber> {
        self.numbers()
    }
}
