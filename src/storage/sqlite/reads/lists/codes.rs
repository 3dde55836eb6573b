//! Conditions on the status code of the last answer.

use super::scan::Scan;
use crate::domain::delivery::CodeClass;

/// The codes of the events that a scan finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codes {
    /// Any code, or none.
    Any,
    /// A code of this class.
    In(CodeClass),
    /// A code of another class, or none.
    NotIn(CodeClass),
}

impl Codes {
    /// Returns the codes of a class; any without a class.
    pub(super) fn of(class: Option<CodeClass>) -> Self {
        class.map_or(Self::Any, Self::In)
    }

    /// Limits a scan of the table, or of one of its partial indexes.
    pub(super) fn limit(self, scan: Scan) -> Scan {
        match self {
            Self::Any => scan,
            Self::In(class) => scan.and_both("code >= ? AND code <= ?", ends(class)),
            Self::NotIn(class) => {
                scan.and_both("(code IS NULL OR code < ? OR code > ?)", ends(class))
            }
        }
    }

    /// Reports whether `code` is one of them.
    pub(super) fn include(self, code: Option<i64>) -> bool {
        let is_in = |class| {
            let [first, last] = ends(class);
            code.is_some_and(|code| (first..=last).contains(&code))
        };
        match self {
            Self::Any => true,
            Self::In(class) => is_in(class),
            Self::NotIn(class) => !is_in(class),
        }
    }
}

/// Returns the first and the last code of a class.
fn ends(class: CodeClass) -> [i64; 2] {
    let first = i64::from(class.hundreds()) * 100;
    [first, first + 99]
}
