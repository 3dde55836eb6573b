//! A ring: endpoints that wait for their turn.

use std::collections::BTreeMap;

use crate::storage::EndpointNumber;

/// Ready endpoints of one kind, each once, in the order of their turns. An endpoint that becomes another
/// kind leaves at once, because a ring whose kind may start nothing does not move.
#[derive(Default)]
pub(super) struct Ring {
    /// By place; places are given out in ascending order.
    waiting: BTreeMap<u64, EndpointNumber>,
    next: u64,
}

impl Ring {
    /// Adds an endpoint at the end; returns its place.
    pub(super) fn join(&mut self, number: EndpointNumber) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, number);
        self.next
    }

    /// Removes the endpoint in `place`.
    pub(super) fn leave(&mut self, place: u64) {
        self.waiting.remove(&place);
    }

    /// Removes the first endpoint.
    pub(super) fn pop_front(&mut self) -> Option<EndpointNumber> {
        self.waiting.pop_first().map(|(_, number)| number)
    }

    /// Returns how many endpoints wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
