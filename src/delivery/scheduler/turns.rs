//! The order of turns: first by workspace, then by endpoint.
//!
//! Workspaces share the time of the senders. The turn goes to the workspace that holds the fewest senders. Of
//! those that hold equally many it goes to the one that has used the least sender time, where used time
//! counts half as much after each [`HALF_LIFE`]. So a workspace cannot save up time, and the use of senders
//! that were free does not count for long.
//!
//! Within that, the ready endpoints of a workspace wait in rings by [`RingKind`] and start one event per
//! turn. An endpoint that may not start ([`Shares::refusal`]) is passed over; the others do not wait for it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::shares::{InFlightCounts, Refusal, RingKind, Shares};
use crate::delivery::ring::Ring;
use crate::domain::health::{Class, SLOW};
use crate::storage::{EndpointNumber, WorkspaceNumber};

/// The price of a turn besides the time of its sender, so that attempts that take no time have a price too.
const TURN_COST: Duration = Duration::from_micros(100);

/// The time after which used sender time counts half as much: the longest attempt of a good endpoint, which
/// is long enough to tell long attempts from short ones.
const HALF_LIFE: Duration = SLOW;

/// The time for which senders stay free for a workspace after it last had an event that waited or was in
/// flight.
const ACTIVE: Duration = Duration::from_mins(1);

/// The memory that waiting events take, of one workspace or of all; also the room that is left for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct MemoryUse {
    /// Events that wait, and rows that running reads may bring.
    pub(in crate::delivery) events: usize,
    /// Bytes of the bodies that wait.
    pub(in crate::delivery) body_bytes: usize,
}

/// A workspace's account: its attempts in flight, the sender time that it has used, the memory that its
/// waiting events take, and its ready endpoints.
#[derive(Default)]
struct Account {
    /// The number of the workspace's endpoints that the scheduler knows. Without any, the account is removed.
    endpoints: usize,
    in_flight: InFlightCounts,
    memory_use: MemoryUse,
    /// The moment when the sender time that it used will count as no more than a microsecond: the more it
    /// used, the later. Unlike the used time itself, this value does not change while time passes.
    used_until: Duration,
    /// Ready endpoints, by [`RingKind`].
    rings: [Ring; 4],
}

impl Account {
    fn is_waiting(&self) -> bool {
        self.rings.iter().any(|ring| ring.len() > 0)
    }

    fn is_busy(&self) -> bool {
        self.in_flight.total() > 0 || self.is_waiting()
    }

    /// Returns the workspace's position among those with ready endpoints of `kind`, if it has any.
    fn key(&self, kind: RingKind, number: WorkspaceNumber, few: u32) -> Option<Key> {
        (self.rings[kind as usize].len() > 0).then(|| Key {
            leaves: self.in_flight.total().min(few),
            counted: self.in_flight.counted_with(kind),
            used_until: self.used_until,
            number,
        })
    }
}

/// A workspace's position among those with ready endpoints of one kind. First come those that have to leave
/// the fewest senders free, because the rules refuse the others sooner. Among equals, first come those with
/// the fewest attempts that count towards the limit of the class, for the same reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    leaves: u32,
    counted: u32,
    used_until: Duration,
    number: WorkspaceNumber,
}

/// Returns when the used time will count as a microsecond. `before`: the moment without `more`, which is the
/// time used now, at least a microsecond.
fn used_until(before: Duration, more: Duration, now: Duration) -> Duration {
    let half_lives = before.saturating_sub(now).div_duration_f64(HALF_LIFE);
    let micros = half_lives.exp2() + more.as_secs_f64() * 1e6;
    now + HALF_LIFE.mul_f64(micros.log2())
}

/// The accounts of all workspaces, and the order of turns.
pub(in crate::delivery) struct Turns {
    shares: Shares,
    accounts: HashMap<WorkspaceNumber, Account>,
    /// Workspaces with ready endpoints, by [`RingKind`].
    ready: [BTreeSet<Key>; 4],
    /// The number of workspaces with something in flight or ready.
    busy: usize,
    /// The last two workspaces that became idle, and the time of each.
    last_idle: [Option<(WorkspaceNumber, Duration)>; 2],
}

impl Turns {
    pub(in crate::delivery) fn new(senders: u32) -> Self {
        Self {
            shares: Shares::new(senders),
            accounts: HashMap::new(),
            ready: Default::default(),
            busy: 0,
            last_idle: [None; 2],
        }
    }

    /// Returns the most attempts that one endpoint may have in flight.
    pub(super) fn cap(&self) -> u32 {
        self.shares.cap()
    }

    /// Returns the number of attempts in flight.
    pub(super) fn total(&self) -> u32 {
        self.shares.in_flight.total()
    }

    /// Returns the attempts in flight of all workspaces.
    #[cfg(test)]
    pub(in crate::delivery) fn in_flight_counts(&self) -> InFlightCounts {
        self.shares.in_flight
    }

    /// Returns the attempts in flight of each workspace that has any.
    #[cfg(test)]
    pub(in crate::delivery) fn in_flight_by_workspace(
        &self,
    ) -> Vec<(WorkspaceNumber, InFlightCounts)> {
        let accounts = self.accounts.iter();
        let mut by_workspace: Vec<_> = accounts
            .map(|(number, account)| (*number, account.in_flight))
            .filter(|(_, counts)| counts.total() > 0)
            .collect();
        by_workspace.sort_unstable_by_key(|(number, _)| *number);
        by_workspace
    }

    /// Returns the memory that the waiting events of a workspace take.
    pub(super) fn memory_use(&self, number: WorkspaceNumber) -> MemoryUse {
        let account = self.accounts.get(&number);
        account.map_or_else(MemoryUse::default, |account| account.memory_use)
    }

    /// Notes that the waiting events of a workspace take more memory, or less.
    pub(super) fn memory_changed(
        &mut self,
        number: WorkspaceNumber,
        before: MemoryUse,
        after: MemoryUse,
    ) {
        if before != after
            && let Some(account) = self.accounts.get_mut(&number)
        {
            account.memory_use.events = account.memory_use.events - before.events + after.events;
            account.memory_use.body_bytes =
                account.memory_use.body_bytes - before.body_bytes + after.body_bytes;
        }
    }

    /// Notes that the scheduler knows one more endpoint of a workspace.
    pub(super) fn endpoint_added(&mut self, number: WorkspaceNumber) {
        self.accounts.entry(number).or_default().endpoints += 1;
    }

    /// Notes that the scheduler has dropped an endpoint of a workspace.
    pub(super) fn endpoint_removed(&mut self, number: WorkspaceNumber) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.endpoints -= 1;
            if account.endpoints == 0 {
                self.accounts.remove(&number);
            }
        }
    }

    /// Changes an account, and the position of its workspace.
    fn change<T>(
        &mut self,
        number: WorkspaceNumber,
        now: Duration,
        work: impl FnOnce(&mut Account) -> T,
    ) -> Option<T> {
        let account = self.accounts.get_mut(&number)?;
        let few = self.shares.few();
        let keys = |account: &Account| RingKind::ALL.map(|kind| account.key(kind, number, few));
        let (before, was_busy) = (keys(account), account.is_busy());
        let result = work(account);
        for ((ready, before), after) in self.ready.iter_mut().zip(before).zip(keys(account)) {
            if before != after {
                before.inspect(|key| _ = ready.remove(key));
                ready.extend(after);
            }
        }
        match (was_busy, account.is_busy()) {
            (false, true) => self.busy += 1,
            (true, false) => {
                self.busy -= 1;
                if self.last_idle[0].is_none_or(|(last, _)| last != number) {
                    self.last_idle[1] = self.last_idle[0];
                }
                self.last_idle[0] = Some((number, now));
            }
            _ => {}
        }
        Some(result)
    }

    /// Adds an endpoint at the end of a ring; returns its place.
    pub(super) fn join(
        &mut self,
        number: WorkspaceNumber,
        kind: RingKind,
        endpoint: EndpointNumber,
        now: Duration,
    ) -> u64 {
        let joined = self.change(number, now, |account| {
            account.rings[kind as usize].join(endpoint)
        });
        joined.expect("it was made with its first endpoint")
    }

    /// Removes the endpoint in a place from a ring.
    pub(super) fn leave(
        &mut self,
        number: WorkspaceNumber,
        kind: RingKind,
        place: u64,
        now: Duration,
    ) {
        self.change(number, now, |account| {
            account.rings[kind as usize].leave(place);
        });
    }

    /// Counts an attempt that starts.
    pub(super) fn attempt_started(&mut self, number: WorkspaceNumber, class: Class, now: Duration) {
        self.shares.in_flight.attempt_started(class);
        self.change(number, now, |account| {
            account.in_flight.attempt_started(class);
        });
    }

    /// Counts an attempt that ended, and the time `took` for which its sender was busy.
    pub(super) fn attempt_ended(
        &mut self,
        number: WorkspaceNumber,
        class: Class,
        took: Duration,
        now: Duration,
    ) {
        self.shares.in_flight.attempt_ended(class);
        self.change(number, now, |account| {
            account.in_flight.attempt_ended(class);
            account.used_until = used_until(account.used_until, took + TURN_COST, now);
        });
    }

    /// Counts the `in_flight` attempts of an endpoint in its new class.
    pub(super) fn reclassify(
        &mut self,
        number: WorkspaceNumber,
        (from, to): (Class, Class),
        in_flight: u32,
        now: Duration,
    ) {
        if from != to && in_flight > 0 {
            self.shares.in_flight.reclassify(from, to, in_flight);
            self.change(number, now, |account| {
                account.in_flight.reclassify(from, to, in_flight);
            });
        }
    }

    /// Reports whether any workspace other than this one, which is busy itself, is busy or was so lately.
    fn is_crowded(&self, number: WorkspaceNumber, now: Duration) -> bool {
        self.busy > 1
            || (self.last_idle.iter().flatten())
                .any(|(other, at)| *other != number && *at + ACTIVE > now)
    }

    /// Returns the endpoint that has the turn, and removes it from its ring.
    pub(super) fn next(&mut self, now: Duration) -> Option<EndpointNumber> {
        let heads = RingKind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, self.first(kind, now)?)));
        // The first of several equals, as the kinds are in order.
        let (kind, number) = heads.min_by_key(|(_, number)| {
            let account = &self.accounts[number];
            (account.in_flight.total(), account.used_until)
        })?;
        self.change(number, now, |account| {
            account.rings[kind as usize].pop_front()
        })
        .flatten()
    }

    /// Returns the first workspace that may start an attempt of a ring of `kind`.
    fn first(&self, kind: RingKind, now: Duration) -> Option<WorkspaceNumber> {
        // Each step passes over all workspaces that leave equally many senders free, so there are few steps.
        let mut leaves = 0;
        loop {
            let from = Key {
                leaves,
                counted: 0,
                used_until: Duration::ZERO,
                number: WorkspaceNumber(i64::MIN),
            };
            let key = self.ready[kind as usize].range(from..).next()?;
            let total = self.accounts[&key.number].in_flight.total();
            let crowded = self.is_crowded(key.number, now);
            match self.shares.refusal(kind, total, key.counted, crowded) {
                None => return Some(key.number),
                Some(Refusal::Senders) => return None,
                Some(Refusal::Class) => leaves = key.leaves + 1,
            }
        }
    }
}
