//! Whose turn it is: first a workspace's, then one of its endpoints'.
//!
//! What is shared out is the time of senders. What a workspace has in flight it is charged for by holding
//! it: the turn goes to the one that holds fewest. Between such as hold equally many it goes to the one
//! that used least so far, where what was used counts half as much each [`HALF_LIFE`]: so nothing can be saved
//! up, and nobody pays for long for what others did not want.
//!
//! Below that, each workspace has its endpoints in [`Line`]s, one event per turn; one that may not start is
//! passed over, never waited for.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::shares::{Held, Line, Refusal, Shares};
use crate::delivery::ring::Ring;
use crate::domain::health::{Class, SLOW};
use crate::storage::{EndpointNumber, WorkspaceNumber};

/// What a turn costs beside the time of its sender, so that one whose attempts take no time pays too.
const TURN_COST: Duration = Duration::from_micros(100);

/// As long as an attempt of a good endpoint may take: long enough to tell long attempts from short ones.
const HALF_LIFE: Duration = SLOW;

/// Senders are kept free for a workspace for so long after it last had something to do.
const ABOUT: Duration = Duration::from_mins(1);

/// What waits in memory of one workspace, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct Waiting {
    /// Places in windows.
    pub(in crate::delivery) windows: usize,
    /// Bytes of bodies.
    pub(in crate::delivery) bodies: usize,
}

/// What is known of a workspace.
#[derive(Default)]
struct Account {
    /// Endpoints that the scheduler holds; without any the account is closed.
    endpoints: usize,
    held: Held,
    waiting: Waiting,
    /// When the sender time that it used will count as no more than a microsecond: the later, the more
    /// it used. Unlike the used time itself this stays as it is while time goes by.
    used_until: Duration,
    /// Ready endpoints, by [`Line`].
    rings: [Ring; 4],
}

impl Account {
    fn is_standing(&self) -> bool {
        self.rings.iter().any(|ring| ring.len() > 0)
    }

    fn is_busy(&self) -> bool {
        self.held.total() > 0 || self.is_standing()
    }

    /// Where it stands in `line`.
    fn key(&self, line: Line, number: WorkspaceNumber, few: u32) -> Option<Key> {
        (self.rings[line as usize].len() > 0).then(|| Key {
            leaves: self.held.total().min(few),
            beside: self.held.beside(line),
            used_until: self.used_until,
            number,
        })
    }
}

/// The order of workspaces in a line. Of two, the one that would be refused for want of senders comes
/// later; of two that leave equally many free, the same is true of the class's part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    leaves: u32,
    beside: u32,
    used_until: Duration,
    number: WorkspaceNumber,
}

/// When what was used will count as a microsecond, if that was to be at `before` and `more`, at least a
/// microsecond, was used now.
fn used_until(before: Duration, more: Duration, now: Duration) -> Duration {
    let half_lives = before.saturating_sub(now).div_duration_f64(HALF_LIFE);
    let micros = half_lives.exp2() + more.as_secs_f64() * 1e6;
    now + HALF_LIFE.mul_f64(micros.log2())
}

/// All workspaces.
pub(in crate::delivery) struct Turns {
    shares: Shares,
    accounts: HashMap<WorkspaceNumber, Account>,
    /// Workspaces with ready endpoints, by [`Line`].
    lines: [BTreeSet<Key>; 4],
    /// Workspaces with something in flight or in line.
    busy: usize,
    /// The last two to have become idle, and when.
    left: [Option<(WorkspaceNumber, Duration)>; 2],
}

impl Turns {
    pub(in crate::delivery) fn new(senders: u32) -> Self {
        Self {
            shares: Shares::new(senders),
            accounts: HashMap::new(),
            lines: Default::default(),
            busy: 0,
            left: [None; 2],
        }
    }

    /// The most attempts of one endpoint in flight.
    pub(super) fn cap(&self) -> u32 {
        self.shares.cap()
    }

    /// Attempts in flight.
    pub(super) fn total(&self) -> u32 {
        self.shares.held.total()
    }

    /// Attempts in flight, of all workspaces.
    #[cfg(test)]
    pub(in crate::delivery) fn held(&self) -> Held {
        self.shares.held
    }

    /// Attempts in flight of each workspace that has any.
    #[cfg(test)]
    pub(in crate::delivery) fn holders(&self) -> Vec<(WorkspaceNumber, Held)> {
        let accounts = self.accounts.iter();
        let mut holders: Vec<_> = accounts
            .map(|(number, account)| (*number, account.held))
            .filter(|(_, held)| held.total() > 0)
            .collect();
        holders.sort_unstable_by_key(|(number, _)| *number);
        holders
    }

    /// What waits of a workspace.
    pub(super) fn waiting(&self, number: WorkspaceNumber) -> Waiting {
        let account = self.accounts.get(&number);
        account.map_or_else(Waiting::default, |account| account.waiting)
    }

    /// What waits of a workspace has changed.
    pub(super) fn waits(&mut self, number: WorkspaceNumber, before: Waiting, after: Waiting) {
        if before != after
            && let Some(account) = self.accounts.get_mut(&number)
        {
            account.waiting.windows = account.waiting.windows - before.windows + after.windows;
            account.waiting.bodies = account.waiting.bodies - before.bodies + after.bodies;
        }
    }

    /// The scheduler holds one more endpoint of a workspace.
    pub(super) fn opened(&mut self, number: WorkspaceNumber) {
        self.accounts.entry(number).or_default().endpoints += 1;
    }

    /// The scheduler has dropped an endpoint of a workspace.
    pub(super) fn closed(&mut self, number: WorkspaceNumber) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.endpoints -= 1;
            if account.endpoints == 0 {
                self.accounts.remove(&number);
            }
        }
    }

    /// Changes a workspace, and where it stands.
    fn change<T>(
        &mut self,
        number: WorkspaceNumber,
        now: Duration,
        work: impl FnOnce(&mut Account) -> T,
    ) -> Option<T> {
        let account = self.accounts.get_mut(&number)?;
        let few = self.shares.few();
        let keys = |account: &Account| Line::ALL.map(|line| account.key(line, number, few));
        let (before, was_busy) = (keys(account), account.is_busy());
        let result = work(account);
        for ((line, before), after) in self.lines.iter_mut().zip(before).zip(keys(account)) {
            if before != after {
                before.inspect(|key| _ = line.remove(key));
                line.extend(after);
            }
        }
        match (was_busy, account.is_busy()) {
            (false, true) => self.busy += 1,
            (true, false) => {
                self.busy -= 1;
                if self.left[0].is_none_or(|(last, _)| last != number) {
                    self.left[1] = self.left[0];
                }
                self.left[0] = Some((number, now));
            }
            _ => {}
        }
        Some(result)
    }

    /// Stands an endpoint last in its line; returns its place.
    pub(super) fn join(
        &mut self,
        number: WorkspaceNumber,
        line: Line,
        endpoint: EndpointNumber,
        now: Duration,
    ) -> u64 {
        let joined = self.change(number, now, |account| {
            account.rings[line as usize].join(endpoint)
        });
        joined.expect("it was opened with its first endpoint")
    }

    /// Takes the endpoint at a place out of its line.
    pub(super) fn leave(&mut self, number: WorkspaceNumber, line: Line, at: u64, now: Duration) {
        self.change(number, now, |account| {
            account.rings[line as usize].leave(at);
        });
    }

    /// An attempt starts.
    pub(super) fn take(&mut self, number: WorkspaceNumber, class: Class, now: Duration) {
        self.shares.held.take(class);
        self.change(number, now, |account| account.held.take(class));
    }

    /// An attempt ended that held a sender for so long.
    pub(super) fn give_back(
        &mut self,
        number: WorkspaceNumber,
        class: Class,
        took: Duration,
        now: Duration,
    ) {
        self.shares.held.give_back(class);
        self.change(number, now, |account| {
            account.held.give_back(class);
            account.used_until = used_until(account.used_until, took + TURN_COST, now);
        });
    }

    /// An endpoint changed its class, with `in_flight` attempts in flight.
    pub(super) fn reclassify(
        &mut self,
        number: WorkspaceNumber,
        (from, to): (Class, Class),
        in_flight: u32,
        now: Duration,
    ) {
        if from != to && in_flight > 0 {
            self.shares.held.reclassify(from, to, in_flight);
            self.change(number, now, |account| {
                account.held.reclassify(from, to, in_flight);
            });
        }
    }

    /// Whether other workspaces than this one, which is busy, have something to do or had it lately.
    fn is_crowded(&self, number: WorkspaceNumber, now: Duration) -> bool {
        self.busy > 1
            || (self.left.iter().flatten()).any(|(other, at)| *other != number && *at + ABOUT > now)
    }

    /// Takes the endpoint whose turn it is out of its line.
    pub(super) fn next(&mut self, now: Duration) -> Option<EndpointNumber> {
        let heads = Line::ALL
            .into_iter()
            .filter_map(|line| Some((line, self.first(line, now)?)));
        // The first of several equals: the lines are in order.
        let (line, number) = heads.min_by_key(|(_, number)| {
            let account = &self.accounts[number];
            (account.held.total(), account.used_until)
        })?;
        self.change(number, now, |account| {
            account.rings[line as usize].pop_front()
        })
        .flatten()
    }

    /// The first workspace in a line that may start something.
    fn first(&self, line: Line, now: Duration) -> Option<WorkspaceNumber> {
        // Each step passes over those that leave equally many free, so there are few.
        let mut leaves = 0;
        loop {
            let from = Key {
                leaves,
                beside: 0,
                used_until: Duration::ZERO,
                number: WorkspaceNumber(i64::MIN),
            };
            let key = self.lines[line as usize].range(from..).next()?;
            let total = self.accounts[&key.number].held.total();
            let crowded = self.is_crowded(key.number, now);
            match self.shares.refuses(line, total, key.beside, crowded) {
                None => return Some(key.number),
                Some(Refusal::Senders) => return None,
                Some(Refusal::Class) => leaves = key.leaves + 1,
            }
        }
    }
}
