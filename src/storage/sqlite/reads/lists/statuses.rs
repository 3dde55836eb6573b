//! The statuses that a list of events is narrowed to, and the states that stand for them.

use super::totals::Kind;
use crate::domain::event::EventStatus;
use crate::domain::event_state::EventState;
use crate::storage::sqlite::event_state::number;

/// The statuses that are wanted: one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statuses(Vec<EventStatus>);

impl Statuses {
    /// Returns the statuses `named`, or all statuses if none are named.
    pub(crate) fn of(named: &[EventStatus]) -> Self {
        let wanted = |status: &EventStatus| named.is_empty() || named.contains(status);
        Self(EventStatus::ALL.into_iter().filter(wanted).collect())
    }

    pub(crate) fn include(&self, status: EventStatus) -> bool {
        self.0.contains(&status)
    }

    /// Returns the conditions on the counters; none if all statuses are wanted.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        if self.0.len() == EventStatus::ALL.len() {
            return Vec::new();
        }
        let condition = |state| ("state = ?", number(state));
        self.states().map(condition).collect()
    }

    /// Returns the final states among those that are wanted, as the column has them.
    pub(crate) fn final_states(&self) -> Vec<i64> {
        let finals = self.states().filter(|state| !state.is_pending());
        finals.map(number).collect()
    }

    fn states(&self) -> impl Iterator<Item = EventState> {
        let states = self.0.iter().flat_map(|it| EventState::of_status(*it));
        states.copied()
    }
}
