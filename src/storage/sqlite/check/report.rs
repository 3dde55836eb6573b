//! The report of a check, as the command line shows it.

use super::problem::{Found, Part, Remedy};

/// The result of a check: each of its parts, with the problems that it found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The parts, in the order of the report.
    pub parts: Vec<PartReport>,
}

/// A part of the check.
#[derive(Clone, Debug)]
pub struct PartReport {
    /// Its name, which is stable.
    pub name: &'static str,
    /// The problems that it found; none if all is well.
    pub problems: Vec<Problem>,
}

/// A kind of problem that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rows or values, in words.
    pub what: &'static str,
    /// The number of them.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
    /// The remedy.
    pub remedy: Remedy,
}

impl Report {
    pub(super) fn new(found: &Found) -> Self {
        let parts = Part::ALL.map(|part| PartReport {
            name: part.name(),
            problems: found
                .kinds()
                .filter(|(kind, _)| kind.part() == part)
                .map(|(kind, tally)| Problem {
                    what: kind.text(),
                    count: tally.count,
                    first: tally.named.clone(),
                    remedy: kind.remedy(),
                })
                .collect(),
        });
        Self {
            parts: parts.into(),
        }
    }

    /// Returns all problems.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.parts.iter().flat_map(|part| &part.problems)
    }

    /// Reports whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems().next().is_none()
    }
}
