//! A list as one JSON document, printed while it is read.

use serde_json::Value;

use super::json_text;
use crate::cli::output;

/// An array on stdout, with one object per line.
#[derive(Debug, Default)]
pub(in crate::cli) struct JsonArray {
    has_rows: bool,
}

impl JsonArray {
    /// Prints the next rows.
    pub(in crate::cli) fn print(&mut self, rows: &[Value]) -> anyhow::Result<()> {
        let mut text = String::new();
        for row in rows {
            text.push_str(if self.has_rows { ",\n" } else { "[\n" });
            text.push_str(&json_text::compact(row)?);
            self.has_rows = true;
        }
        output::listing(&text)
    }

    /// Prints the end.
    pub(in crate::cli) fn end(self) -> anyhow::Result<()> {
        output::listing(if self.has_rows { "\n]\n" } else { "[]\n" })
    }
}
