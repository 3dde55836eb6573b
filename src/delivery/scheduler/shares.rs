//! How many senders there are for whom: of all, of each class of endpoints, and of each workspace.

use crate::domain::health::Class;

/// Which endpoints stand in line together: those for which the same rule says whether they may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::delivery) enum Line {
    /// Good ones with nothing in flight.
    Idle,
    /// Good ones with something in flight.
    Busy,
    /// New ones.
    New,
    /// Bad ones.
    Bad,
}

impl Line {
    /// In the order in which the endpoints of one workspace get their turns.
    pub(in crate::delivery) const ALL: [Self; 4] = [Self::Idle, Self::Busy, Self::New, Self::Bad];

    /// The line of an endpoint with `in_flight` attempts in flight.
    pub(in crate::delivery) const fn of(class: Class, in_flight: u32) -> Self {
        match class {
            Class::Good if in_flight == 0 => Self::Idle,
            Class::Good => Self::Busy,
            Class::New => Self::New,
            Class::Bad => Self::Bad,
        }
    }
}

/// Where a class stands in lists by class.
pub(in crate::delivery) const fn place(class: Class) -> usize {
    match class {
        Class::Good => 0,
        Class::New => 1,
        Class::Bad => 2,
    }
}

/// Attempts in flight, by class of their endpoint *now*: who changes class takes its attempts along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct Held([u32; 3]);

impl Held {
    /// By [`place`].
    #[cfg(test)]
    pub(in crate::delivery) const fn by_class(self) -> [u32; 3] {
        self.0
    }

    /// Of all classes.
    pub(in crate::delivery) fn total(self) -> u32 {
        self.0.iter().sum()
    }

    /// Of those that are limited together with an endpoint in `line`.
    pub(in crate::delivery) fn beside(self, line: Line) -> u32 {
        match line {
            Line::Idle | Line::Busy => self.total(),
            Line::New | Line::Bad => self.troubled(),
        }
    }

    /// Of endpoints that are new or bad.
    pub(super) const fn troubled(self) -> u32 {
        self.0[place(Class::New)] + self.0[place(Class::Bad)]
    }

    /// An attempt starts.
    pub(in crate::delivery) const fn take(&mut self, class: Class) {
        self.0[place(class)] += 1;
    }

    /// An attempt ended.
    pub(super) const fn give_back(&mut self, class: Class) {
        self.0[place(class)] -= 1;
    }

    /// An endpoint changed its class, with `in_flight` attempts in flight.
    pub(super) const fn reclassify(&mut self, from: Class, to: Class, in_flight: u32) {
        self.0[place(from)] -= in_flight;
        self.0[place(to)] += in_flight;
    }
}

/// Why nothing may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery) enum Refusal {
    /// The senders are busy, or those that are free are kept for workspaces that hold fewer.
    Senders,
    /// The class's part is, for a workspace that holds so many of new and bad ones.
    Class,
}

/// The senders, and how they are shared out.
#[derive(Clone, Copy, Debug)]
pub(in crate::delivery) struct Shares {
    senders: u32,
    pub(super) held: Held,
}

impl Shares {
    /// Of so many senders, none busy.
    pub(in crate::delivery) fn new(senders: u32) -> Self {
        Self {
            senders,
            held: Held::default(),
        }
    }

    /// The most attempts of one endpoint in flight.
    pub(super) fn cap(self) -> u32 {
        (self.senders / 8).max(1)
    }

    /// How many senders are few. A workspace that holds more leaves as many free for others: who comes
    /// with an event now and then finds one, and who is busy beside others hardly misses them.
    pub(super) fn few(self) -> u32 {
        (self.senders / 16).max(1)
    }

    fn free(self) -> u32 {
        self.senders.saturating_sub(self.held.total())
    }

    fn quarter(self) -> u32 {
        (self.senders / 4).max(1)
    }

    /// Whether an endpoint in `line` has to wait, of a workspace that holds `total` senders, and `beside` of
    /// those that are limited together with it.
    ///
    /// If other workspaces are about (`crowded`), one that holds n leaves n free for them, up to
    /// [`Shares::few`]: so the last free sender is for those that hold none. A busy good endpoint leaves the
    /// last quarter to those that have nothing in flight, unless its whole workspace holds few. New and bad
    /// ones share a quarter each, and half together; a workspace that holds few of them is not bound by
    /// what others hold, and for such there is a sixteenth more.
    pub(in crate::delivery) fn refuses(
        self,
        line: Line,
        total: u32,
        beside: u32,
        crowded: bool,
    ) -> Option<Refusal> {
        let few = self.few();
        let left = if crowded { total.min(few) } else { 0 };
        if self.free() <= left {
            return Some(Refusal::Senders);
        }
        match line {
            Line::Idle => None,
            Line::Busy => {
                let waits = total >= few && self.free() <= self.senders / 4;
                waits.then_some(Refusal::Senders)
            }
            Line::New | Line::Bad => {
                let beyond = beside < few && self.held.troubled() + beside < self.half() + few;
                (!beyond && !self.has_room(line)).then_some(Refusal::Class)
            }
        }
    }

    fn half(self) -> u32 {
        (self.senders / 2).max(1)
    }

    /// Whether the part of new or of bad ones is not used up.
    fn has_room(self, line: Line) -> bool {
        let [_, new, bad] = self.held.0;
        match line {
            Line::Idle | Line::Busy => true,
            Line::New => new < self.quarter() && new + bad < self.half(),
            Line::Bad => bad < self.quarter(),
        }
    }
}
