//! Endpoints in line for a turn.

use std::collections::BTreeMap;

use crate::storage::EndpointNumber;

/// Ready endpoints of one class, each once, in the order of their turns. One that changes its class
/// leaves at once: a line that does not move would hold it.
#[derive(Default)]
pub(super) struct Ring {
    line: BTreeMap<u64, EndpointNumber>,
    next: u64,
}

impl Ring {
    /// Stands an endpoint last; answers its place.
    pub(super) fn join(&mut self, number: EndpointNumber) -> u64 {
        self.next += 1;
        self.line.insert(self.next, number);
        self.next
    }

    /// Takes the endpoint in `place` out.
    pub(super) fn leave(&mut self, place: u64) {
        self.line.remove(&place);
    }

    /// Takes the first one out.
    pub(super) fn pop_front(&mut self) -> Option<EndpointNumber> {
        self.line.pop_first().map(|(_, number)| number)
    }

    /// How many stand in line.
    pub(super) fn len(&self) -> usize {
        self.line.len()
    }
}
