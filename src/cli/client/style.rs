//! Colours of words on a terminal.

use std::io::{self, IsTerminal};

/// The colour of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    Green,
    Yellow,
    Red,
}

impl Color {
    /// Returns the text in this colour.
    pub(super) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Red => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Reports whether stdout shows colours: it is a terminal, and `NO_COLOR` (<https://no-color.org>) is not set.
pub(super) fn has_colors() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}
