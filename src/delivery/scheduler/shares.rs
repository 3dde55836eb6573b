//! The shares of the senders, and the rules that decide whether an endpoint may start an attempt.
//!
//! # Rules for starts
//! A workspace *holds* the senders that make its attempts. A sixteenth of all senders counts as *few*.
//!
//! - If other workspaces are active, a workspace that holds n senders leaves n free for them, and at most
//!   few. So the last free sender is for workspaces that hold none. A workspace that is alone may use all.
//! - A *good* endpoint with nothing in flight needs no more than that.
//! - A good endpoint with something in flight leaves the last quarter of the senders to endpoints that have
//!   nothing in flight, unless its workspace holds less than few.
//! - *Bad* endpoints of all workspaces share a quarter of the senders, *new* ones another quarter, and new
//!   ones start only while both together hold less than half. So a hundred endpoints that never answer use
//!   their share and no more.
//! - A workspace whose new and bad endpoints hold less than few may exceed these shares, until the new and
//!   bad endpoints of all workspaces hold half of the senders and a sixteenth. So it is not kept out by what
//!   other workspaces hold.
//!
//! The module `turns` decides which of the endpoints that may start is next.

use crate::domain::health::Class;

/// The kind of a ring. One rule for each kind decides whether its endpoints may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::delivery) enum RingKind {
    /// Good endpoints with nothing in flight.
    Idle,
    /// Good endpoints with something in flight.
    Busy,
    /// New endpoints.
    New,
    /// Bad endpoints.
    Bad,
}

impl RingKind {
    /// All kinds, in the order in which the rings of one workspace get their turns.
    pub(in crate::delivery) const ALL: [Self; 4] = [Self::Idle, Self::Busy, Self::New, Self::Bad];

    /// Returns the kind for an endpoint with `in_flight` attempts in flight.
    pub(in crate::delivery) const fn of(class: Class, in_flight: u32) -> Self {
        match class {
            Class::Good if in_flight == 0 => Self::Idle,
            Class::Good => Self::Busy,
            Class::New => Self::New,
            Class::Bad => Self::Bad,
        }
    }
}

/// Returns the index of a class in arrays by class.
pub(in crate::delivery) const fn class_index(class: Class) -> usize {
    match class {
        Class::Good => 0,
        Class::New => 1,
        Class::Bad => 2,
    }
}

/// Attempts in flight, by the class that their endpoints have now: an endpoint that changes its class takes
/// its attempts along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct InFlightCounts([u32; 3]);

impl InFlightCounts {
    /// Returns the attempts by [`class_index`].
    #[cfg(test)]
    pub(in crate::delivery) const fn by_class(self) -> [u32; 3] {
        self.0
    }

    /// Returns the attempts of all classes.
    pub(in crate::delivery) fn total(self) -> u32 {
        self.0.iter().sum()
    }

    /// Returns the attempts that count towards the same limit as those of a ring of `kind`.
    pub(in crate::delivery) fn counted_with(self, kind: RingKind) -> u32 {
        match kind {
            RingKind::Idle | RingKind::Busy => self.total(),
            RingKind::New | RingKind::Bad => self.troubled(),
        }
    }

    /// Returns the attempts of new and bad endpoints.
    pub(super) const fn troubled(self) -> u32 {
        self.0[class_index(Class::New)] + self.0[class_index(Class::Bad)]
    }

    /// Counts an attempt that starts.
    pub(in crate::delivery) const fn attempt_started(&mut self, class: Class) {
        self.0[class_index(class)] += 1;
    }

    /// Counts an attempt that ended.
    pub(super) const fn attempt_ended(&mut self, class: Class) {
        self.0[class_index(class)] -= 1;
    }

    /// Counts the `in_flight` attempts of an endpoint in its new class.
    pub(super) const fn reclassify(&mut self, from: Class, to: Class, in_flight: u32) {
        self.0[class_index(from)] -= in_flight;
        self.0[class_index(to)] += in_flight;
    }
}

/// The reason why an attempt may not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery) enum Refusal {
    /// All senders are busy, or the free ones are kept for workspaces that hold fewer.
    Senders,
    /// The share of the class is used up, and the workspace may not exceed it.
    Class,
}

/// The senders and their shares.
#[derive(Clone, Copy, Debug)]
pub(in crate::delivery) struct Shares {
    senders: u32,
    pub(super) in_flight: InFlightCounts,
}

impl Shares {
    /// Returns the shares of `senders` senders, none of them busy.
    pub(in crate::delivery) fn new(senders: u32) -> Self {
        Self {
            senders,
            in_flight: InFlightCounts::default(),
        }
    }

    /// Returns the most attempts that one endpoint may have in flight.
    pub(super) fn cap(self) -> u32 {
        (self.senders / 8).max(1)
    }

    /// Returns the number of senders that counts as few: with so many left free, a workspace with an event
    /// now and then finds a free sender, and a busy one loses little.
    pub(super) fn few(self) -> u32 {
        (self.senders / 16).max(1)
    }

    fn free(self) -> u32 {
        self.senders.saturating_sub(self.in_flight.total())
    }

    fn quarter(self) -> u32 {
        (self.senders / 4).max(1)
    }

    /// Returns the reason why the rules do not let an endpoint in a ring of `kind` start, if there is one.
    /// `total`: the senders that its workspace holds; `counted`: those of them that
    /// [`InFlightCounts::counted_with`] counts; `crowded`: other workspaces are active.
    pub(in crate::delivery) fn refusal(
        self,
        kind: RingKind,
        total: u32,
        counted: u32,
        crowded: bool,
    ) -> Option<Refusal> {
        let few = self.few();
        let left = if crowded { total.min(few) } else { 0 };
        if self.free() <= left {
            return Some(Refusal::Senders);
        }
        match kind {
            RingKind::Idle => None,
            RingKind::Busy => {
                let waits = total >= few && self.free() <= self.senders / 4;
                waits.then_some(Refusal::Senders)
            }
            RingKind::New | RingKind::Bad => {
                let beyond =
                    counted < few && self.in_flight.troubled() + counted < self.half() + few;
                (!beyond && !self.has_room(kind)).then_some(Refusal::Class)
            }
        }
    }

    fn half(self) -> u32 {
        (self.senders / 2).max(1)
    }

    /// Reports whether the share of the class is not used up.
    fn has_room(self, kind: RingKind) -> bool {
        let [_, new, bad] = self.in_flight.0;
        match kind {
            RingKind::Idle | RingKind::Busy => true,
            RingKind::New => new < self.quarter() && new + bad < self.half(),
            RingKind::Bad => bad < self.quarter(),
        }
    }
}
