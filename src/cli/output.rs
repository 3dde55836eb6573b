//! The output of commands: results on stdout, remarks for people on stderr.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use thiserror::Error;

use super::hiding::hidden;
use crate::api::objects::{Render, Rendered};
use crate::domain::invisible::is_invisible;
use crate::log_queue::{self, FLUSH_TIMEOUT};

/// The error when the reader of stdout has closed it early, as `head` does. The command then succeeds.
#[derive(Debug, Error)]
#[error("stdout was closed by its reader")]
pub(super) struct ReaderGone;

/// A usage error that only the command itself can find. Its exit code is that of other usage errors.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// The error when a check found problems in a database. Its exit code says so to scripts.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Unsound(pub(super) String);

/// The exit code of [`Unsound`].
pub(super) const UNSOUND: u8 = 3;

/// Prints a remark and an end of line to stderr. It may quote a server or a file, so invisible characters become `?`.
/// A remark that cannot be printed is lost, without an error.
pub(super) fn remark(text: &str) {
    let text = text.replace(|c| c != '\n' && is_invisible(c), "?");
    log_queue::push(format!("{text}\n").as_bytes(), true);
}

/// Prints a result, such as a new token, that is never shown again. So a reader that is gone is an error.
///
/// # Errors
/// The result could not be printed.
pub(super) fn result(text: &str) -> anyhow::Result<()> {
    print(text).context("cannot write to stdout")
}

/// Prints a list or a guide. Its reader may stop early.
///
/// # Errors
/// [`ReaderGone`] if the reader stopped early; another error if the text could not be printed.
pub(super) fn listing(text: &str) -> anyhow::Result<()> {
    match print(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        printed => printed.context("cannot write to stdout"),
    }
}

/// Returns an object as pretty JSON, as the API shows it.
pub(super) fn object<T: Render>(object: &T) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&Rendered(object))? + "\n")
}

/// Returns a list as pretty JSON, each object as the API shows it.
pub(super) fn json<T: Render>(rows: &[T]) -> anyhow::Result<String> {
    let rows: Vec<Rendered<'_, T>> = rows.iter().map(Rendered).collect();
    Ok(serde_json::to_string_pretty(&rows)? + "\n")
}

/// Prints the help or the usage error that `clap` returned, and returns the exit code for it.
pub(super) fn usage(usage: &clap::Error) -> ExitCode {
    let text = usage.render().to_string();
    let safe = hidden(&text);
    let shown = if usage.use_stderr() && safe != text {
        io::stderr().write_all(safe.as_bytes())
    } else {
        usage.print().and_then(|()| io::stdout().flush())
    };
    match shown {
        Err(error) if !usage.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            remark(&format!("hookpost: cannot write to stdout: {error}"));
            log_queue::flush(FLUSH_TIMEOUT);
            ExitCode::FAILURE
        }
        _ => u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, u8::into),
    }
}

/// Prints what is wrong with the command line or its settings, and returns the exit code for it.
pub(super) fn usage_error(text: &str) -> ExitCode {
    remark(text);
    log_queue::flush(FLUSH_TIMEOUT);
    ExitCode::from(USAGE_ERROR)
}

/// The exit code of a usage error, as `clap` has it.
const USAGE_ERROR: u8 = 2;

fn print(text: &str) -> io::Result<()> {
    // On a terminal, earlier remarks must appear before the result.
    log_queue::flush(FLUSH_TIMEOUT);
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
