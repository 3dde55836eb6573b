//! A group: the operations that are written in one transaction.

use super::fair_queue::Entry;
use super::operation::Operation;
use super::shared::{Shared, Waiting};
use crate::storage::StoreError;

/// The most operations in one transaction; more would not be faster, and would make the first ones wait.
const GROUP_OPERATIONS: usize = 1000;

/// The most that one transaction writes: bytes, and [`ROW_WEIGHT`] for each row. Thirty large bodies would
/// make a commit of more than 100 ms, and so would ten publishes to a thousand endpoints.
///
/// [`ROW_WEIGHT`]: super::operation::ROW_WEIGHT
pub(super) const GROUP_WEIGHT: usize = 4 << 20;

/// A group: attempt records first, then the other operations.
#[derive(Default)]
pub(super) struct Group {
    pub(super) records: Vec<Box<dyn Operation>>,
    pub(super) others: Vec<Entry<Box<dyn Operation>>>,
}

/// The result of each operation that was applied, and its weight. The operations behind them, for which the
/// transaction had become too heavy, have no result.
pub(super) type Results = Vec<(Result<(), StoreError>, usize)>;

impl Group {
    /// Takes the next group: attempt records first, at most half of the group while other operations wait.
    pub(super) fn gather(waiting: &mut Waiting) -> Self {
        let mut group = Self::default();
        let mut weight = 0;
        let parts = if waiting.others.is_empty() { 1 } else { 2 };
        while group.records.len() < GROUP_OPERATIONS / parts
            && weight < GROUP_WEIGHT / parts
            && let Some(record) = waiting.records.pop_front()
        {
            weight += record.weight();
            group.records.push(record);
        }
        while group.records.len() + group.others.len() < GROUP_OPERATIONS
            && weight < GROUP_WEIGHT
            && let Some(entry) = waiting.others.pop()
        {
            weight += entry.item.weight();
            group.others.push(entry);
        }
        group
    }

    /// Gives their results to the callers that wait, and puts the operations that were not applied back into
    /// the queue. Attempt records are always applied.
    pub(super) fn finish(self, results: Results, shared: &Shared) {
        let mut results = results.into_iter();
        for (record, (result, _)) in self.records.into_iter().zip(&mut results) {
            record.finish(result);
        }
        let mut charges = Vec::new();
        let mut others = self.others.into_iter();
        // The results first: `zip` would take an operation for which there is none.
        for ((result, weight), entry) in results.zip(&mut others) {
            let weight = weight as u64;
            if weight > entry.weight {
                charges.push((entry.owner, weight - entry.weight));
            }
            entry.item.finish(result);
        }
        if charges.is_empty() && others.len() == 0 {
            return;
        }
        let mut waiting = shared.lock();
        for entry in others.rev() {
            waiting.others.put_back(entry);
        }
        for (owner, weight) in charges {
            waiting.others.charge(owner, weight);
        }
    }
}
