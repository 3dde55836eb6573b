//! What tools print: results on stdout, remarks for people on stderr.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use thiserror::Error;

use crate::log_queue::{self, LAST_WORDS};

/// Whoever read stdout has read enough, as `head` does. The tool ends, and that is no failure.
#[derive(Debug, Error)]
#[error("nobody reads stdout any more")]
pub(super) struct ReaderGone;

/// Prints a remark with an end of line. Whether anybody sees it matters to nothing else.
pub(super) fn remark(text: &str) {
    log_queue::push(format!("{text}\n").as_bytes(), true);
}

/// Prints a result that is shown only now.
///
/// # Errors
/// It could not be printed.
pub(super) fn result(text: &str) -> anyhow::Result<()> {
    print(text).context("cannot write to stdout")
}

/// Prints a list or a guide, as far as it is read.
///
/// # Errors
/// [`ReaderGone`], or it could not be printed.
pub(super) fn listing(text: &str) -> anyhow::Result<()> {
    match print(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        printed => printed.context("cannot write to stdout"),
    }
}

/// Shows the help or the usage error that reading the command line came to; the exit code for it.
pub(super) fn usage(usage: &clap::Error) -> ExitCode {
    let shown = usage.print().and_then(|()| io::stdout().flush());
    match shown {
        Err(error) if !usage.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            remark(&format!("hookpost: cannot write to stdout: {error}"));
            log_queue::flush(LAST_WORDS);
            ExitCode::FAILURE
        }
        _ => u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, u8::into),
    }
}

fn print(text: &str) -> io::Result<()> {
    // Remarks that were made before come before it on a terminal.
    log_queue::flush(LAST_WORDS);
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
