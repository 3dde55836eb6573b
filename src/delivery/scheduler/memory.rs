//! How much of the queue is in memory, of all workspaces and of each.

use super::Scheduler;
use super::turns::Waiting;
use crate::delivery::endpoint_queue::EndpointQueue;
use crate::storage::{EndpointNumber, WorkspaceNumber};

/// The last eighth of the room is for workspaces that hold less than a sixty-fourth of it: whoever has a
/// backlog must not send the few events of others the long way, through the file.
const KEPT: usize = 8;
const FEW: usize = 64;

impl Scheduler {
    /// Changes what waits for an endpoint, and keeps the sums.
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

    /// What more of a workspace may wait in memory.
    pub(super) fn room(&self, workspace: WorkspaceNumber) -> Waiting {
        let own = self.turns.waiting(workspace);
        let limits = &self.rules.limits;
        Waiting {
            windows: room(limits.windows, self.waiting.windows, own.windows),
            bodies: room(limits.bodies, self.waiting.bodies, own.bodies),
        }
    }

    /// What more of an endpoint's workspace may wait in memory.
    pub(super) fn room_for(&self, number: EndpointNumber) -> Waiting {
        let queue = self.endpoints.get(&number);
        queue.map_or_else(Waiting::default, |queue| self.room(queue.workspace))
    }
}

fn room(limit: usize, taken: usize, own: usize) -> usize {
    let kept = if own < limit / FEW { 0 } else { limit / KEPT };
    limit.saturating_sub(taken + kept)
}

fn waiting(queue: &EndpointQueue) -> Waiting {
    Waiting {
        windows: queue.occupied(),
        bodies: queue.bytes(),
    }
}
