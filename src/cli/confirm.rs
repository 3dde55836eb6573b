//! A question on the terminal, before a command does what a person may not have meant.

use std::io::{self, IsTerminal};

use anyhow::bail;

use super::output;
use crate::log_queue::{self, FLUSH_TIMEOUT};

/// Asks a question that `y` or `yes` answers with yes.
///
/// # Errors
/// There is no terminal to ask on; the error is `unasked`.
pub(super) fn is_confirmed(question: &str, unasked: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!("{unasked}");
    }
    output::remark(&format!("{question} [y/N]"));
    log_queue::flush(FLUSH_TIMEOUT);
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
