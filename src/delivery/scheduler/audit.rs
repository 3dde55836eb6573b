//! The simulation's view of a [`Scheduler`]: the sums that it keeps, and the same sums counted anew.

use std::collections::BTreeMap;

use super::Scheduler;
use super::shares::InFlightCounts;
use super::turns::MemoryUse;
use crate::delivery::endpoint_queue::EndpointQueue;
use crate::domain::health::Rest;
use crate::storage::{EndpointNumber, WorkspaceNumber};

/// The sums over all endpoints.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct Sums {
    pub(in crate::delivery) memory_use: MemoryUse,
    /// The attempts in flight of all workspaces.
    pub(in crate::delivery) in_flight: InFlightCounts,
    /// The attempts in flight of each workspace that has any.
    pub(in crate::delivery) by_workspace: Vec<(WorkspaceNumber, InFlightCounts)>,
}

impl Scheduler {
    /// Returns the sums that the scheduler keeps.
    pub(in crate::delivery) fn sums(&self) -> Sums {
        Sums {
            memory_use: self.memory_use,
            in_flight: self.turns.in_flight_counts(),
            by_workspace: self.turns.in_flight_by_workspace(),
        }
    }

    /// Counts the sums anew.
    pub(in crate::delivery) fn recount(&self) -> Sums {
        let mut sums = Sums::default();
        let mut by_workspace: BTreeMap<WorkspaceNumber, InFlightCounts> = BTreeMap::new();
        for queue in self.endpoints.values() {
            sums.memory_use.events += queue.occupied();
            sums.memory_use.body_bytes += queue.recounted_bytes();
            let own = by_workspace.entry(queue.workspace).or_default();
            for _ in 0..queue.in_flight() {
                sums.in_flight.attempt_started(queue.health.class());
                own.attempt_started(queue.health.class());
            }
        }
        by_workspace.retain(|_, counts| counts.total() > 0);
        sums.by_workspace = by_workspace.into_iter().collect();
        sums
    }

    /// Counts anew the endpoints that rest.
    pub(in crate::delivery) fn recounted_resting(&self) -> usize {
        let queues = self.endpoints.values();
        queues
            .filter(|queue| queue.health.rest() != Rest::None && !queue.is_paused())
            .count()
    }

    /// Returns the queue of an endpoint.
    pub(in crate::delivery) fn queue(&self, number: EndpointNumber) -> Option<&EndpointQueue> {
        self.endpoints.get(&number).map(Box::as_ref)
    }
}
