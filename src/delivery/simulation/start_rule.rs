//! A second implementation of the rules for starts, made from their words in
//! [`shares`](crate::delivery::scheduler::shares), without the engine's code.

use crate::delivery::scheduler::audit::Sums;
use crate::domain::health::Class;
use crate::storage::WorkspaceNumber;

/// An endpoint that has an attempt to start.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) workspace: WorkspaceNumber,
    pub(super) class: Class,
    pub(super) in_flight: u32,
}

impl Candidate {
    /// Reports whether the attempt may start. `crowded`: other workspaces are active too.
    pub(super) fn may_start(&self, senders: u32, sums: &Sums, crowded: bool) -> bool {
        let [good, new, bad] = sums.in_flight.by_class();
        let mut by_workspace = sums.by_workspace.iter();
        let own = by_workspace.find(|(number, _)| *number == self.workspace);
        let own = own.map_or([0; 3], |(_, counts)| counts.by_class());
        let (all, own_all) = (good + new + bad, own.iter().sum::<u32>());
        let (quarter, half) = ((senders / 4).max(1), (senders / 2).max(1));
        let few = (senders / 16).max(1);
        let leaves = if crowded { few.min(own_all) } else { 0 };
        if all + leaves >= senders {
            return false;
        }
        let own_troubled = own_all - own[0];
        let beyond = own_troubled < few && new + bad + own_troubled < half + few;
        match self.class {
            Class::Good => self.in_flight == 0 || senders - all > senders / 4 || own_all < few,
            Class::New => beyond || (new < quarter && new + bad < half),
            Class::Bad => beyond || bad < quarter,
        }
    }
}
