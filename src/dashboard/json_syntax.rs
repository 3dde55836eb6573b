//! The fault of JSON that a person typed.

use crate::domain::json::scan;

/// Returns what is wrong with a JSON text, and where; `None` if nothing is, or there is no text.
pub(super) fn syntax_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let error = scan(text).err()?;
    let before = text.get(..error.at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    Some(format!("{}: line {line}, column {column}", error.why))
}
