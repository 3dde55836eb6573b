//! A ring: endpoints that wait for their turn.

use std::collections::BTreeMap;

use crate::storage::EndpointNumber;

/// Ready endpoints of one kind, each once, in the order of their turns. An endpoint whose kind changes leaves
/// the ring at once, because the rules may forbid every start of the old kind and allow one of the new.
#[derive(Default)]
pub(super) struct Ring {
    /// The endpoints by place. Each that joins gets the next higher place.
    waiting: BTreeMap<u64, EndpointNumber>,
    last_place: u64,
}

impl Ring {
    /// Adds an endpoint at the end; returns its place.
    pub(super) fn join(&mut self, number: EndpointNumber) -> u64 {
        self.last_place += 1;
        self.waiting.insert(self.last_place, number);
        self.last_place
    }

    /// Removes the endpoint in `place`.
    pub(super) fn leave(&mut self, place: u64) {
        self.waiting.remove(&place);
    }

    /// Removes the first endpoint.
    pub(super) fn pop_front(&mut self) -> Option<EndpointNumber> {
        self.waiting.pop_first().map(|(_, number)| number)
    }

    /// Returns the number of endpoints that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
