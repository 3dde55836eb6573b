//! The memory that waiting events take, of all workspaces and of each, and the room that is left.

use super::Scheduler;
use super::turns::MemoryUse;
use crate::delivery::endpoint_queue::EndpointQueue;
use crate::storage::{EndpointNumber, WorkspaceNumber};

/// The last eighth of the room is for workspaces that use less than a sixty-fourth of it. So the backlog of
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
        let before = memory_use(queue);
        let result = work(queue);
        let (workspace, after) = (queue.workspace, memory_use(queue));
        self.memory_use.events = self.memory_use.events - before.events + after.events;
        self.memory_use.body_bytes =
            self.memory_use.body_bytes - before.body_bytes + after.body_bytes;
        self.turns.memory_changed(workspace, before, after);
        Some(result)
    }

    /// Returns the room in memory that a workspace has left.
    pub(super) fn room(&self, workspace: WorkspaceNumber) -> MemoryUse {
        let own = self.turns.memory_use(workspace);
        let limits = &self.rules.limits;
        MemoryUse {
            events: room(limits.waiting_events, self.memory_use.events, own.events),
            body_bytes: room(
                limits.body_bytes,
                self.memory_use.body_bytes,
                own.body_bytes,
            ),
        }
    }

    /// Returns the room in memory that the endpoint's workspace has left.
    pub(super) fn room_for(&self, number: EndpointNumber) -> MemoryUse {
        let queue = self.endpoints.get(&number);
        queue.map_or_else(MemoryUse::default, |queue| self.room(queue.workspace))
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

fn memory_use(queue: &EndpointQueue) -> MemoryUse {
    MemoryUse {
        events: queue.occupied(),
        body_bytes: queue.bytes(),
    }
}
