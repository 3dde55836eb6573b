//! A queue in which workspaces take turns, by what their writes weigh.
//!
//! Each workspace that has something waiting has a lane, first in, first out. The next turn goes to the
//! lane that was served the least: what it is served is the weight of its operations, so that large
//! bodies and many endpoints pay for what they take. A lane that comes back begins where the others
//! are: time away earns nothing. (This is start-time fair queueing.) Alone, a lane gets every turn.
//!
//! A full queue must not be one workspace's: a lane may hold no more than what is free. One alone so
//! has half of the room; two have a third each, and a third is left for whoever comes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map};

use uuid::Uuid;

/// Whose operations a lane has: a workspace's, or (`None`) those of the server and its operators.
pub(super) type Owner = Option<Uuid>;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Operations.
    pub(super) operations: usize,
    /// Bytes that they hold.
    pub(super) bytes: usize,
}

/// Something that waits, with what is to be known of it.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) owner: Owner,
    /// Bytes that it holds while it waits.
    pub(super) bytes: usize,
    /// What it is expected to weigh.
    pub(super) weight: u64,
    pub(super) item: T,
}

struct Lane<T> {
    waiting: VecDeque<Entry<T>>,
    bytes: usize,
    /// What it was served, from where it began.
    served: u64,
    /// Its place among lanes that were served the same: who came first is first.
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
    /// The lanes with something waiting, the one whose turn it is first.
    ready: BTreeMap<(u64, u64), Owner>,
    /// The lanes without, until the others were served as much.
    away: BTreeSet<(u64, Owner)>,
    /// Where a lane begins: what the lane that had the last turn was served before it.
    start: u64,
    places: u64,
    operations: usize,
    bytes: usize,
}

impl<T> FairQueue<T> {
    /// An empty one.
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

    /// Adds to the end of its lane; gives it back if there is no room for it.
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

    /// Takes what has the next turn.
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

    /// Begins anew where nothing waits: nobody waited for anybody, so nobody owes.
    pub(super) fn forgive(&mut self) {
        if self.is_empty() {
            self.lanes.clear();
            self.away.clear();
        }
    }

    /// Puts back what was taken and not used, where it was: the last that was taken comes first.
    pub(super) fn put_back(&mut self, entry: Entry<T>) {
        let (owner, weight) = (entry.owner, entry.weight);
        self.lane(&entry).waiting.push_front(entry);
        self.serve(owner, |served| served.saturating_sub(weight));
    }

    /// What was taken of `owner` weighed so much more than it was expected to.
    pub(super) fn charge(&mut self, owner: Owner, weight: u64) {
        let start = self.start;
        if let hash_map::Entry::Vacant(place) = self.lanes.entry(owner) {
            // It went when others had been served as much as was known of then.
            place.insert(Lane::new(start));
            self.away.insert((start, owner));
        }
        self.serve(owner, |served| served + weight);
    }

    /// Takes all, in no particular order between lanes.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let lanes = std::mem::replace(self, Self::new(self.room)).lanes;
        let entries = lanes.into_values().flat_map(|lane| lane.waiting);
        entries.map(|entry| entry.item).collect()
    }

    /// The lane that `entry` is about to join, with the entry counted.
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
