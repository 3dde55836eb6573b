//! Matching a pattern, from the outside in.

use std::cell::Cell;

use super::candidate::{Candidate, Leaf};
use super::parse::{Pattern, Test};
use super::subject::{Place, Subject};
use crate::domain::json::Node;

/// The most steps of the matching of one message with all patterns of its workspace: about 50 ms. The writer makes
/// these steps, and all workspaces wait for it. A thousand endpoints with a hundred candidates each need this many for a
/// message of a hundred values.
const STEPS_MAX: usize = 10_000_000;

/// The length of text, in bytes, that is compared in about one step.
const TEXT_STEP: usize = 32;

/// The work that may still be done for one message.
#[derive(Debug)]
pub struct MatchBudget {
    left: Cell<usize>,
}

impl Default for MatchBudget {
    fn default() -> Self {
        Self {
            left: Cell::new(STEPS_MAX),
        }
    }
}

impl MatchBudget {
    /// Reports whether nothing is left, so that the last result does not count.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    /// Returns the steps that were made: some nanoseconds each.
    #[must_use]
    pub fn steps(&self) -> usize {
        STEPS_MAX - self.left.get()
    }

    fn spend(&self, steps: usize) {
        self.left.set(self.left.get().saturating_sub(steps));
    }
}

/// Reports whether a message matches; false, too, when the budget is spent.
pub(super) fn matches(pattern: &Pattern, subject: &Subject<'_>, budget: &MatchBudget) -> bool {
    is_object_matched(pattern, Place::Message(subject), budget)
}

/// Matches a pattern with what is in its place. Of an array, one object must match; what has no object at all is as an
/// absent one.
fn is_matched(pattern: &Pattern, place: Place<'_>, budget: &MatchBudget) -> bool {
    let Some(array) = place.array() else {
        let object = if place.is_object() {
            place
        } else {
            Place::Absent
        };
        return is_object_matched(pattern, object, budget);
    };
    let mut has_object = false;
    for object in items(array, budget).filter(|item| item.is_object()) {
        has_object = true;
        if is_object_matched(pattern, object, budget) {
            return true;
        }
        if budget.is_spent() {
            return false;
        }
    }
    !has_object && is_object_matched(pattern, Place::Absent, budget)
}

/// Matches all members of a pattern with those of one object.
fn is_object_matched(pattern: &Pattern, object: Place<'_>, budget: &MatchBudget) -> bool {
    let mut members = pattern.members.iter();
    members.all(|(name, test)| {
        let place = object.member(name, || budget.spend(1));
        is_test_passed(test, place, budget)
    }) && is_any_matched(&pattern.any_of, object, budget)
}

/// Matches a member of a pattern with what the message has in its place.
pub(super) fn is_test_passed(test: &Test, place: Place<'_>, budget: &MatchBudget) -> bool {
    if budget.is_spent() {
        return false;
    }
    match test {
        Test::Pattern(pattern) => is_matched(pattern, place, budget),
        Test::Candidates(candidates) => is_one_passed(candidates, place, budget),
    }
}

/// Reports whether one of the patterns of `$or` matches; true if there are none.
pub(super) fn is_any_matched(
    patterns: &[Pattern],
    object: Place<'_>,
    budget: &MatchBudget,
) -> bool {
    let mut patterns_left = patterns.iter();
    patterns.is_empty() || patterns_left.any(|it| is_object_matched(it, object, budget))
}

/// Reports whether a leaf here matches a candidate; if there is none, whether that is a candidate.
fn is_one_passed(candidates: &[Candidate], place: Place<'_>, budget: &MatchBudget) -> bool {
    let is_absence_passed = || candidates.contains(&Candidate::Exists(false));
    let Some(array) = place.array() else {
        let leaf = leaf(place);
        return leaf.map_or_else(is_absence_passed, |leaf| {
            is_leaf_passed(candidates, &leaf, budget)
        });
    };
    let mut has_leaf = false;
    for leaf in items(array, budget).filter_map(leaf) {
        has_leaf = true;
        if is_leaf_passed(candidates, &leaf, budget) {
            return true;
        }
        if budget.is_spent() {
            return false;
        }
    }
    !has_leaf && is_absence_passed()
}

fn is_leaf_passed(candidates: &[Candidate], leaf: &Leaf<'_>, budget: &MatchBudget) -> bool {
    let length = match leaf {
        Leaf::Text(text) => text.len(),
        _ => 0,
    };
    candidates.iter().any(|candidate| {
        budget.spend(candidate.size() * (1 + length / TEXT_STEP));
        candidate.matches(leaf)
    })
}

/// Returns the objects in a place: itself, or those in an array, also if that is in an array.
pub(super) fn objects<'a>(
    place: Place<'a>,
    budget: &MatchBudget,
) -> impl Iterator<Item = Place<'a>> {
    let own = place.is_object().then_some(place);
    let in_array = place.array().into_iter();
    let in_array = in_array.flat_map(|array| items(array, budget));
    let in_array = in_array.filter(|item| item.is_object());
    own.into_iter().chain(in_array)
}

/// Returns the items of an array that are no arrays, also those of arrays in it.
fn items<'a>(array: Node<'a>, budget: &MatchBudget) -> impl Iterator<Item = Place<'a>> {
    let items = array.items().inspect(|_| budget.spend(1));
    items.map(Place::Json)
}

/// Returns the leaf in a place that is no array; `None` if there is none.
fn leaf(place: Place<'_>) -> Option<Leaf<'_>> {
    match place {
        Place::Text(text) => Some(Leaf::Text(text.into())),
        Place::Json(node) => Leaf::of(node.value()),
        Place::Message(_) | Place::Tags(_) | Place::Absent => None,
    }
}
