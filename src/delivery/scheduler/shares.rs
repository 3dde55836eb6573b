//! How many senders each class of endpoints holds, and how many it may.

use crate::domain::health::Class;

/// Attempts in flight, by class of their endpoint *now*: who changes class takes its attempts along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct Shares {
    senders: u32,
    /// By [`place`].
    in_flight: [u32; 3],
}

/// Where a class stands in lists by class; also the order in which classes get their turns.
pub(in crate::delivery) const fn place(class: Class) -> usize {
    match class {
        Class::Good => 0,
        Class::New => 1,
        Class::Bad => 2,
    }
}

impl Shares {
    /// Of so many senders, none busy.
    pub(super) const fn new(senders: u32) -> Self {
        Self {
            senders,
            in_flight: [0; 3],
        }
    }

    /// The most attempts of one endpoint in flight.
    pub(super) fn cap(self) -> u32 {
        (self.senders / 8).max(1)
    }

    /// Attempts in flight, by [`place`].
    #[cfg(test)]
    pub(in crate::delivery) const fn in_flight(self) -> [u32; 3] {
        self.in_flight
    }

    /// Attempts in flight.
    pub(super) fn total(self) -> u32 {
        self.in_flight.iter().sum()
    }

    /// An attempt starts.
    pub(super) const fn take(&mut self, class: Class) {
        self.in_flight[place(class)] += 1;
    }

    /// An attempt ended.
    pub(super) const fn give_back(&mut self, class: Class) {
        self.in_flight[place(class)] -= 1;
    }

    /// An endpoint changed its class, with `flying` attempts in flight.
    pub(super) const fn reclassify(&mut self, from: Class, to: Class, flying: u32) {
        self.in_flight[place(from)] -= flying;
        self.in_flight[place(to)] += flying;
    }

    /// Whether no endpoint of this class may start, whichever it is.
    pub(super) fn is_closed(self, class: Class) -> bool {
        let (quarter, half) = ((self.senders / 4).max(1), (self.senders / 2).max(1));
        let [_, new, bad] = self.in_flight;
        self.total() >= self.senders
            || match class {
                Class::Good => false,
                Class::New => new >= quarter || new + bad >= half,
                Class::Bad => bad >= quarter,
            }
    }

    /// Whether an endpoint of an open class with `flying` attempts in flight has to wait: a busy good one
    /// leaves the last quarter to those that have nothing in flight.
    pub(super) fn waits(self, class: Class, flying: u32) -> bool {
        let free = self.senders.saturating_sub(self.total());
        class == Class::Good && flying > 0 && free <= self.senders / 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLASSES: [Class; 3] = [Class::Good, Class::New, Class::Bad];

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Start { class: usize, flying: u32 },
        End { class: usize },
        Reclassify { from: usize, to: usize, flying: u32 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3_usize, 0..3_u32).prop_map(|(class, flying)| Step::Start { class, flying }),
            2 => (0..3_usize).prop_map(|class| Step::End { class }),
            1 => (0..3_usize, 0..3_usize, 1..4_u32)
                .prop_map(|(from, to, flying)| Step::Reclassify { from, to, flying }),
        ]
    }

    proptest! {
        /// Whatever comes, an attempt starts only within its class's share, and a good endpoint with
        /// nothing in flight is refused only when all senders are busy.
        #[test]
        fn no_class_starts_beyond_its_share(
            senders in 1_u32..300, steps in prop::collection::vec(step(), 0..1500),
        ) {
            let mut shares = Shares::new(senders);
            let (quarter, half) = ((senders / 4).max(1), (senders / 2).max(1));
            for step in steps {
                let [good, new, bad] = shares.in_flight();
                match step {
                    Step::Start { class, flying } => {
                        let class = CLASSES[class];
                        let refused = shares.is_closed(class) || shares.waits(class, flying);
                        let free = senders.saturating_sub(good + new + bad);
                        if class == Class::Good && flying == 0 {
                            prop_assert_eq!(refused, free == 0);
                        }
                        if refused {
                            continue;
                        }
                        shares.take(class);
                        prop_assert!(shares.total() <= senders);
                        match class {
                            Class::Good => prop_assert!(flying == 0 || free > senders / 4),
                            Class::New => prop_assert!(new < quarter && new + bad < half),
                            Class::Bad => prop_assert!(bad < quarter),
                        }
                    }
                    Step::End { class } => {
                        if shares.in_flight()[class] > 0 {
                            shares.give_back(CLASSES[class]);
                        }
                    }
                    Step::Reclassify { from, to, flying } => {
                        let flying = flying.min(shares.in_flight()[from]);
                        let before = shares.total();
                        shares.reclassify(CLASSES[from], CLASSES[to], flying);
                        prop_assert_eq!(shares.total(), before);
                    }
                }
            }
        }
    }
}
