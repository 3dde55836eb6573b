//! Tables of aligned columns, for people and for `awk`.

use std::fmt::Write as _;

use crate::domain::invisible::is_invisible;

/// Returns `rows` under `headings`, with two spaces between columns. Invisible characters, which earlier
/// versions accepted in names, become `?`: they would garble the output on a terminal.
pub(super) fn render<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = std::iter::once(headings.map(str::to_owned))
        .chain(rows.iter().cloned())
        .map(|row| row.map(|cell| cell.replace(is_invisible, "?")))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [
            ["é".to_owned(), "x".to_owned()],
            ["abc".to_owned(), "\u{1b}[2J\u{202e}".to_owned()],
        ];
        assert_eq!(render(["A", "B"], &rows), "A    B\né    x\nabc  ?[2J?\n");
    }
}
