//! Matching a pattern, from the outside in.

use std::cell::Cell;

use super::candidate::{Candidate, Leaf};
use super::parse::{Pattern, Test};
use super::subject::{Place, Subject};
use crate::domain::json::{Kind, Node};

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
    let mut has_object = false;
    for object in objects(place, budget) {
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
    let mut has_leaf = false;
    for leaf in leaves(place, budget) {
        has_leaf = true;
        let length = match &leaf {
            Leaf::Text(text) => text.len(),
            _ => 0,
        };
        for candidate in candidates {
            budget.spend(candidate.size() * (1 + length / TEXT_STEP));
            if candidate.matches(&leaf) {
                return true;
            }
        }
        if budget.is_spent() {
            return false;
        }
    }
    !has_leaf && candidates.contains(&Candidate::Exists(false))
}

/// Returns the objects in a place: itself, or those in an array, also if that is in an array.
pub(super) fn objects<'a>(
    place: Place<'a>,
    budget: &MatchBudget,
) -> impl Iterator<Item = Place<'a>> {
    let (own, array) = match place {
        Place::Message(_) | Place::Tags(_) => (Some(place), None),
        Place::Json(node) if node.kind() == Kind::Object => (Some(place), None),
        Place::Json(node) if node.kind() == Kind::Array => (None, Some(node)),
        Place::Json(_) | Place::Text(_) | Place::Absent => (None, None),
    };
    let items = array.into_iter().flat_map(Node::items);
    let items = items.inspect(|_| budget.spend(1));
    let objects = items.filter(|item| item.kind() == Kind::Object);
    own.into_iter().chain(objects.map(Place::Json))
}

/// Returns the leaves in a place: itself, or those in an array, also if that is in an array.
fn leaves<'a>(place: Place<'a>, budget: &MatchBudget) -> impl Iterator<Item = Leaf<'a>> {
    let (own, array) = match place {
        Place::Text(text) => (Some(Leaf::Text(text.into())), None),
        Place::Json(node) if node.kind() == Kind::Array => (None, Some(node)),
        Place::Json(node) => (Leaf::of(node.value()), None),
        Place::Message(_) | Place::Tags(_) | Place::Absent => (None, None),
    };
    let items = array.into_iter().flat_map(Node::items);
    let items = items.inspect(|_| budget.spend(1));
    let leaves = items.filter_map(|item| Leaf::of(item.value()));
    own.into_iter().chain(leaves)
}
