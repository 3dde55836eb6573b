//! Problems of settings: each names the place that the value comes from, and says what would do.

use std::fmt;

use super::super::hiding::hidden;

/// A setting that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Problem {
    /// The place: a flag, a variable, or a file with its line.
    pub(in crate::cli) place: String,
    /// The fault there, and what would do.
    pub(in crate::cli) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name from the environment or a file may hold line ends.
        let line = format!("in {}: {}", self.place, self.text).replace(['\n', '\r'], " ");
        f.write_str(&hidden(&line))
    }
}

/// Returns the text for the operator: a line if there is one problem, and otherwise a line for each below a
/// heading.
pub(in crate::cli) fn problems(found: &[Problem]) -> String {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    list(&lines)
}

/// Returns the same for problems in words.
pub(in crate::cli) fn list(lines: &[String]) -> String {
    let text = match lines {
        [one] => format!("hookpost: {one}"),
        all => {
            let heading = format!("hookpost: {} settings cannot be used:", all.len());
            all.iter()
                .fold(heading, |text, line| format!("{text}\n  {line}"))
        }
    };
    hidden(&text)
}

/// The most edits, of one character each, between a name and the one that was meant.
const EDITS_MAX: usize = 3;

/// Returns the name of `known` that was most likely meant by `given`: the nearest, if less than a third of its
/// characters differ.
pub(super) fn nearest<'k>(given: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let edits = |name: &str| strsim::osa_distance(given, name);
    let (name, edits) = known
        .map(|name| (name, edits(name)))
        .min_by_key(|(_, edits)| *edits)?;
    (edits <= EDITS_MAX && 3 * edits < name.chars().count()).then_some(name)
}
