//! Tables of columns with fixed widths, which fit a line of [`LINE_MAX`] characters and can be printed page by
//! page.

use super::style::{self, Color};
use crate::domain::invisible::is_invisible;

/// The most characters of a line.
pub(super) const LINE_MAX: usize = 100;

/// A column: its heading and its width in characters.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Column(pub(in crate::cli) &'static str, pub(in crate::cli) usize);

/// A cell: a text, and the colour that it has on a terminal.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Cell {
    text: String,
    color: Option<Color>,
}

impl Cell {
    pub(super) fn colored(text: String, color: Color) -> Self {
        let color = Some(color);
        Self { text, color }
    }

    /// Returns the text, without a colour.
    pub(in crate::cli) fn text(&self) -> &str {
        &self.text
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        let text = text.to_string();
        Self { text, color: None }
    }
}

/// A table of `N` columns with two spaces between them.
#[derive(Debug)]
pub(in crate::cli) struct Table<const N: usize> {
    columns: [Column; N],
    has_colors: bool,
}

impl<const N: usize> Table<N> {
    pub(in crate::cli) fn new(columns: [Column; N]) -> Self {
        let width: usize = columns.iter().map(|column| column.1 + 2).sum();
        debug_assert!(width <= LINE_MAX + 2);
        Self {
            columns,
            has_colors: style::has_colors(),
        }
    }

    /// Returns the line of the headings.
    pub(in crate::cli) fn headings(&self) -> String {
        self.row(&self.columns.map(|column| column.0.into()))
    }

    /// Returns the line of a row. A cell that is too long ends with `…`.
    pub(in crate::cli) fn row(&self, cells: &[Cell; N]) -> String {
        let mut line = String::new();
        let mut padding = 0;
        for (cell, Column(_, width)) in cells.iter().zip(&self.columns) {
            let text = cut(&cell.text, *width);
            line.extend(std::iter::repeat_n(' ', padding));
            padding = width - text.chars().count() + 2;
            match cell.color.filter(|_| self.has_colors) {
                Some(color) => line.push_str(&color.paint(&text)),
                None => line.push_str(&text),
            }
        }
        format!("{}\n", line.trim_end())
    }
}

/// Returns the line of a value with its name before it.
pub(in crate::cli) fn line(name: &str, value: &str) -> String {
    format!("{name:<10}{}\n", shown(value))
}

/// Returns a text on one line of at most `width` characters; one that is cut ends with `…`.
pub(in crate::cli) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return shown(text);
    }
    let start: String = text.chars().take(width.saturating_sub(1)).collect();
    shown(&start) + "…"
}

/// Returns a text without the characters that could garble a terminal.
pub(in crate::cli) fn shown(text: &str) -> String {
    text.replace(is_invisible, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_and_aligned_and_colors_take_no_width() {
        let mut table = Table::new([Column("A", 3), Column("B", 6), Column("C", 2)]);
        table.has_colors = false;
        let row = [
            "abcd".into(),
            Cell::colored("é".into(), Color::Red),
            "x\u{1b}".into(),
        ];
        assert_eq!(table.headings(), "A    B       C\n");
        assert_eq!(table.row(&row), "ab…  é       x?\n");
        table.has_colors = true;
        assert_eq!(table.row(&row), "ab…  \u{1b}[31mé\u{1b}[0m       x?\n");
    }
}
