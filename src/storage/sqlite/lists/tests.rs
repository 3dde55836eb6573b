//! Lists against a model: a small world of random rows, random filters, and the same question asked
//! of a plain vector.

mod model;
mod plans;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static NOTED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Remembers a statement that was prepared.
pub(super) fn note(sql: &str) {
    NOTED.with_borrow_mut(|noted| {
        if !noted.contains(sql) {
            noted.insert(sql.to_owned());
        }
    });
}

/// The statements prepared by this thread.
fn noted() -> Vec<String> {
    NOTED.with_borrow(|noted| noted.iter().cloned().collect())
}
