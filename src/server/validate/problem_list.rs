//! The problems of a response: how many there are, and how much of the input they repeat.

use super::echo;
use super::loc::Loc;
use super::problem::{Problem, Violation};

/// The most bytes of input that one response repeats: it can have some hundred problems, each with an input.
const ECHOES_MAX_BYTES: usize = 16 * 1024;

/// The most problems that one response lists: five of each message of the largest batch. An item of a list that has a few
/// bytes can have a problem of some hundred.
const PROBLEMS_MAX: usize = 500;

impl Problem {
    /// Returns a problem that only the store could find. `input` is the value that it concerns, if any.
    pub(crate) fn found_later(loc: Loc, violation: Violation, input: Option<&str>) -> Self {
        Self {
            loc,
            violation,
            input: input.map_or_else(echo::null, echo::echo_text),
        }
    }

    /// Limits the problems of a response, and the input that it repeats. The last problem then says how many there are
    /// besides.
    pub(crate) fn limited(mut problems: Vec<Self>) -> Vec<Self> {
        if problems.len() > PROBLEMS_MAX {
            let others = problems.len() - (PROBLEMS_MAX - 1);
            problems.truncate(PROBLEMS_MAX - 1);
            let what = format!("there are {others} more problems, which are not listed");
            let violation = Violation::Value(what.into());
            problems.push(Self::found_later(Loc::body(), violation, None));
        }
        let mut echoed = 0;
        for problem in &mut problems {
            echoed += problem.input.get().len();
            if echoed > ECHOES_MAX_BYTES {
                problem.input = echo::cut();
            }
        }
        problems
    }
}
