//! The memory that waiting events take, of all workspaces and of each, and the room that is left.

use super::Scheduler;
use super::turns::Waiting;
use crate::delivery::endpoint_queue::EndpointQueue;
use crate::storage::{EndpointNumber, WorkspaceNumber};

/// The last eighth of the room is for workspaces that hold less than a sixty-fourth of it. So the backlog of
/// one workspace does not force the few events of others out of memory, to be read back from the file.
const KEPT_DIVISOR: usize = 8;
const FEW_DIVISOR: usize = 64;

impl Scheduler {
    /// Changes an endpoint's queue and keeps the sums up to date.
    pub(super) fn change<T>(
        &mut self,
        number: EndpointNumber,
        work: impl FnOnce(&mut EndpointQueue) -> T,
    ) -> Option<T> {
        let queue = self.endpoints.get_mut(&number)?;
        let before = waiting(queue);
        let result = work(queue);
        let (workspace, after) = (queue.workspace, waiting(queue));
        self.waiting.windows = self.waiting.windows - before.windows + after.windows;
        self.waiting.bodies = self.waiting.bodies - before.bodies + after.bodies;
        self.turns.waits(workspace, before, after);
        Some(result)
    }

    /// Returns the room in memory that a workspace has left.
    pub(super) fn room(&self, workspace: WorkspaceNumber) -> Waiting {
        let own = self.turns.waiting(workspace);
        let limits = &self.rules.limits;
        Waiting {
            windows: room(limits.windows, self.waiting.windows, own.windows),
            bodies: room(limits.bodies, self.waiting.bodies, own.bodies),
        }
    }

    /// Returns the room in memory that the endpoint's workspace has left.
    pub(super) fn room_for(&self, number: EndpointNumber) -> Waiting {
        let queue = self.endpoints.get(&number);
        queue.map_or_else(Waiting::default, |queue| self.room(queue.workspace))
    }
}

fn room(limit: usize, taken: usize, own: usize) -> usize {
    let kept = if own < limit / FEW_DIVISOR {
        0
    } else {
        limit / KEPT_DIVISOR
    };
    limit.saturating_sub(taken + kept)
}

fn waiting(queue: &EndpointQueue) -> Waiting {
    Waiting {
        windows: queue.occupied(),
        bodies: queue.bytes(),
    }
}
