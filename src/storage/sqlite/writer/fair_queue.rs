//! A fair queue: workspaces take turns, by the weight of their writes (start-time fair queueing).
//!
//! Each workspace with waiting operations has a lane, first in, first out. The next turn goes to the lane
//! that was served the least. A lane is charged the weight of its operations, so a workspace pays for large
//! bodies and many endpoints. A lane that was empty and gets operations again begins with the weight that the
//! others were served, so it has no credit for the time between. A lane that is alone gets every turn.
//!
//! No workspace can fill the queue by itself: a lane may hold no more than what is free. One lane alone
//! thus has half of the room; two have a third each, and a third stays free for the next one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map};

use uuid::Uuid;

/// The owner of a lane: a workspace, or (`None`) the server and its operators.
pub(super) type Owner = Option<Uuid>;

/// The room of a queue: the most that may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Operations.
    pub(super) operations: usize,
    /// Bytes that they hold.
    pub(super) bytes: usize,
}

/// A waiting item, with its owner, size and weight.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) owner: Owner,
    /// The bytes that it holds while it waits.
    pub(super) bytes: usize,
    /// The weight that it is expected to have.
    pub(super) weight: u64,
    pub(super) item: T,
}

struct Lane<T> {
    waiting: VecDeque<Entry<T>>,
    bytes: usize,
    /// The weight that it was served, counted from where it began.
    served: u64,
    /// Its place among lanes that were served the same: first come, first served.
    place: u64,
}

impl<T> Lane<T> {
    fn new(start: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            served: start,
            place: 0,
        }
    }
}

/// The queue.
pub(super) struct FairQueue<T> {
    room: Room,
    lanes: HashMap<Owner, Lane<T>>,
    /// The lanes with waiting items, in the order of their turns.
    ready: BTreeMap<(u64, u64), Owner>,
    /// The empty lanes, kept until the others were served as much.
    away: BTreeSet<(u64, Owner)>,
    /// The point where a new lane begins: the weight that the lane of the last turn had been served before
    /// it.
    start: u64,
    places: u64,
    operations: usize,
    bytes: usize,
}

impl<T> FairQueue<T> {
    /// Returns an empty queue.
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            lanes: HashMap::new(),
            ready: BTreeMap::new(),
            away: BTreeSet::new(),
            start: 0,
            places: 0,
            operations: 0,
            bytes: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.operations == 0
    }

    /// Adds an item to the end of its lane, or returns it if there is no room.
    pub(super) fn push(&mut self, entry: Entry<T>) -> Result<(), T> {
        let lane = self.lanes.get(&entry.owner);
        let (held, held_bytes) = lane.map_or((0, 0), |lane| (lane.waiting.len(), lane.bytes));
        let free = self.room.operations.saturating_sub(self.operations);
        let free_bytes = self.room.bytes.saturating_sub(self.bytes);
        if held >= free || held_bytes + entry.bytes > free_bytes {
            return Err(entry.item);
        }
        self.lane(&entry).waiting.push_back(entry);
        Ok(())
    }

    /// Takes the item that has the next turn.
    pub(super) fn pop(&mut self) -> Option<Entry<T>> {
        let ((served, _), owner) = self.ready.pop_first()?;
        self.start = self.start.max(served);
        while let Some(&(level, gone)) = self.away.first()
            && level <= self.start
        {
            self.away.pop_first();
            self.lanes.remove(&gone);
        }
        let lane = self
            .lanes
            .get_mut(&owner)
            .expect("a lane that is ready is there");
        let entry = lane
            .waiting
            .pop_front()
            .expect("a lane that is ready has something");
        lane.served += entry.weight;
        lane.bytes -= entry.bytes;
        self.operations -= 1;
        self.bytes -= entry.bytes;
        if lane.waiting.is_empty() {
            self.away.insert((lane.served, owner));
        } else {
            self.ready.insert((lane.served, lane.place), owner);
        }
        Some(entry)
    }

    /// Forgets the weight that each lane was served, if nothing waits: then no lane waits for another one.
    pub(super) fn forgive(&mut self) {
        if self.is_empty() {
            self.lanes.clear();
            self.away.clear();
        }
    }

    /// Puts an item back that was taken and not used. The last one taken must be put back first.
    pub(super) fn put_back(&mut self, entry: Entry<T>) {
        let (owner, weight) = (entry.owner, entry.weight);
        self.lane(&entry).waiting.push_front(entry);
        self.serve(owner, |served| served.saturating_sub(weight));
    }

    /// Charges `owner` the weight by which an item exceeded its expected one.
    pub(super) fn charge(&mut self, owner: Owner, weight: u64) {
        let start = self.start;
        if let hash_map::Entry::Vacant(place) = self.lanes.entry(owner) {
            // The lane was dropped because the others had been served as much, as far as was known then.
            place.insert(Lane::new(start));
            self.away.insert((start, owner));
        }
        self.serve(owner, |served| served + weight);
    }

    /// Takes all items, in no particular order between lanes.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let lanes = std::mem::replace(self, Self::new(self.room)).lanes;
        let entries = lanes.into_values().flat_map(|lane| lane.waiting);
        entries.map(|entry| entry.item).collect()
    }

    /// Returns the lane that `entry` is about to join, with the entry counted.
    fn lane(&mut self, entry: &Entry<T>) -> &mut Lane<T> {
        self.operations += 1;
        self.bytes += entry.bytes;
        let lane = self.lanes.entry(entry.owner);
        let lane = lane.or_insert_with(|| Lane::new(self.start));
        lane.bytes += entry.bytes;
        if lane.waiting.is_empty() {
            self.away.remove(&(lane.served, entry.owner));
            lane.served = lane.served.max(self.start);
            self.places += 1;
            lane.place = self.places;
            self.ready.insert((lane.served, lane.place), entry.owner);
        }
        lane
    }

    fn serve(&mut self, owner: Owner, change: impl FnOnce(u64) -> u64) {
        let Some(lane) = self.lanes.get_mut(&owner) else {
            return;
        };
        let before = std::mem::replace(&mut lane.served, 0);
        lane.served = change(before);
        if lane.waiting.is_empty() {
            self.away.remove(&(before, owner));
            self.away.insert((lane.served, owner));
        } else {
            self.ready.remove(&(before, lane.place));
            self.ready.insert((lane.served, lane.place), owner);
        }
    }
}

#[cfg(test)]
mod tests;
