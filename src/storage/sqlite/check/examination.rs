//! The findings of a check: for the report, and for a repair.

use super::lists::WrongBlocks;
use super::problem::Found;

/// The result of a check.
#[derive(Debug, Default)]
pub(super) struct Examination {
    pub(super) found: Found,
    /// For each table that grows, the blocks whose counters are wrong.
    pub(super) wrong_counters: Vec<(&'static str, Vec<i64>)>,
    /// For each table that grows, the blocks of its list indexes that are wrong.
    pub(super) wrong_lists: Vec<(&'static str, WrongBlocks)>,
    /// The rows before which a step of the clock is missing.
    pub(super) missing_steps: Vec<(&'static str, i64)>,
}
