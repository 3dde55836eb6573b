//! The reason why a message does not match a pattern, for people.

use super::matching::{MatchBudget, is_any_matched, is_test_passed, objects};
use super::parse::{ANY_OF, Pattern, Test};
use super::subject::{Place, Subject};

/// Returns the names that lead to the first member that does not match; `None` if all do.
pub(super) fn mismatch(pattern: &Pattern, subject: &Subject<'_>) -> Option<Vec<String>> {
    let budget = MatchBudget::default();
    let mut path = Vec::new();
    find_in_object(pattern, Place::Message(subject), &budget, &mut path).then_some(path)
}

/// Adds the names to the member of a pattern that an object does not match. Returns false if all match, or if it took
/// too long to find one: then the message counts as one that matches.
fn find_in_object(
    pattern: &Pattern,
    object: Place<'_>,
    budget: &MatchBudget,
    path: &mut Vec<String>,
) -> bool {
    for (name, test) in &pattern.members {
        let place = object.member(name, || ());
        if is_test_passed(test, place, budget) || budget.is_spent() {
            continue;
        }
        path.push(name.clone());
        if let Test::Pattern(inner) = test {
            find_deeper(inner, place, budget, path);
        }
        return true;
    }
    if is_any_matched(&pattern.any_of, object, budget) || budget.is_spent() {
        return false;
    }
    path.push(ANY_OF.to_owned());
    true
}

/// Goes on into a pattern that is not matched. If an array has several objects there, each may have another reason, so
/// the path ends before them.
fn find_deeper(pattern: &Pattern, place: Place<'_>, budget: &MatchBudget, path: &mut Vec<String>) {
    let mut found = objects(place, budget);
    let object = found.next().unwrap_or(Place::Absent);
    if found.next().is_none() {
        find_in_object(pattern, object, budget, path);
    }
}
