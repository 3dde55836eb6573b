//! Times in tables: short, and in UTC as in the log.

use time::OffsetDateTime;

/// Returns a time of the API for a table: `01-31 12:00:05`, or `2025-01-31` if it is of another year.
pub(in crate::cli) fn short_time(text: &str) -> String {
    of_year(text, OffsetDateTime::now_utc().year())
}

fn of_year(text: &str, year: i32) -> String {
    let is_of_year = text.starts_with(&format!("{year:04}-"));
    let part = if is_of_year {
        text.get(5..19)
    } else {
        text.get(..10)
    };
    part.unwrap_or(text).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_another_year_is_a_date() {
        let text = "2026-01-31T12:00:05.000000Z";
        assert_eq!(of_year(text, 2026), "01-31 12:00:05");
        assert_eq!(of_year(text, 2027), "2026-01-31");
        assert_eq!(of_year("soon", 2027), "soon");
    }
}
