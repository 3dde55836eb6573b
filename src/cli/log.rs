//! The log: lines of text or JSON on stderr. A panic is one line of the log, too.

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::log_queue::Style;
use crate::{fatal, log_queue};

/// The settings of the log.
#[derive(Args, Debug)]
pub(super) struct LogSettings {
    /// The format of log lines; `auto` is text on a terminal, and JSON elsewhere.
    #[arg(
        long,
        env = "HOOKPOST_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "auto",
        global = true,
        help_heading = "Log"
    )]
    log_format: LogFormat,

    /// The lowest level that is logged: error, warn, info, debug, trace or off; also per target, such as
    /// `info,hookpost::requests=warn`.
    #[arg(
        long,
        env = "HOOKPOST_LOG",
        value_name = "LEVEL",
        value_parser = parse_filter,
        global = true,
        help_heading = "Log"
    )]
    log_level: Option<String>,
}

impl LogSettings {
    fn filter(&self, default: &str) -> EnvFilter {
        let filter = self.log_level.as_deref().unwrap_or(default);
        EnvFilter::new(format!("{filter},{QUOTING}"))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Auto,
    Text,
    Json,
}

impl LogFormat {
    /// Returns the style of the lines of this process.
    fn style(self) -> Style {
        let is_terminal = io::stderr().is_terminal();
        match self {
            Self::Auto if !is_terminal => Style::Json,
            Self::Json => Style::Json,
            Self::Auto | Self::Text => Style::Text {
                colors: is_terminal && std::env::var_os("NO_COLOR").is_none(),
            },
        }
    }
}

/// The filter that turns off the HTTP library's messages about malformed requests: they quote headers, and a
/// header may hold a token.
const QUOTING: &str = "actix_http::h1::decoder=off";

fn parse_filter(text: &str) -> Result<String, String> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    for part in text.split(',').map(str::trim) {
        // The filter would take a mistyped level for the name of a module, and log no other module.
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        if !levels.contains(&level.to_ascii_lowercase().as_str()) {
            return Err(format!(
                "`{level}` is no level; use one of {}",
                levels.join(", ")
            ));
        }
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A writer that puts one line into the queue of lines for stderr.
struct QueueWriter {
    is_error: bool,
}

impl io::Write for QueueWriter {
    /// Queues a line. The subscriber calls this once for each line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        log_queue::push(line, self.is_error);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The maker of a [`QueueWriter`] for each line.
struct MakeQueueWriter;

impl MakeWriter<'_> for MakeQueueWriter {
    type Writer = QueueWriter;

    fn make_writer(&self) -> QueueWriter {
        QueueWriter { is_error: false }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> QueueWriter {
        QueueWriter {
            is_error: *metadata.level() == Level::ERROR,
        }
    }
}

/// Starts the log. The program calls this once.
///
/// # Errors
/// The system cannot start the thread that writes the log.
pub(super) fn init(settings: &LogSettings, default_filter: &str) -> anyhow::Result<()> {
    let style = settings.log_format.style();
    log_queue::set_style(style);
    let logs = tracing_subscriber::fmt()
        .with_ansi(style == Style::Text { colors: true })
        // The subscriber would print its own errors to stderr, and panic if that fails.
        .log_internal_errors(false)
        .with_writer(MakeQueueWriter);
    let filter = settings.filter(default_filter);
    let reload: Reload = match style {
        Style::Text { .. } => {
            let logs = logs.with_env_filter(filter).with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            Box::new(move |filter| handle.reload(filter).is_ok())
        }
        Style::Json => {
            let logs = logs.json().flatten_event(true);
            let logs = logs.with_env_filter(filter).with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            Box::new(move |filter| handle.reload(filter).is_ok())
        }
    };
    let _ = RELOAD.set(reload); // The program calls this once.
    std::panic::set_hook(Box::new(report_panic));
    log_queue::start().context("cannot start the thread that writes the log")
}

/// The function that replaces the filter of the running log, and reports whether it could.
type Reload = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

static RELOAD: OnceLock<Reload> = OnceLock::new();

/// Gives the running log the level of other settings.
pub(super) fn set_level(settings: &LogSettings, default_filter: &str) {
    let filter = settings.filter(default_filter);
    let level = filter.to_string();
    if RELOAD.get().is_some_and(|reload| reload(filter)) {
        tracing::info!(level, "the level of the log was read again");
    }
}

/// The most characters of a panic's message that are logged.
const PANIC_MAX: usize = 500;

/// The name of the HTTP server's thread that accepts connections. The server restarts its workers after a
/// panic, but not this thread.
const ACCEPTOR: &str = "actix-server acceptor";

/// Logs a panic as one line. The code that started the thread decides what the panic ends besides the thread;
/// only the acceptor, which the HTTP library starts, is treated here.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let current = std::thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let at = panic.location().map(ToString::to_string);
    let message = shown(panic.payload_as_str().unwrap_or("no message"));
    tracing::error!(thread, at, "panic: {message}");
    if thread == ACCEPTOR {
        fatal::exit("the thread that accepts connections panicked");
    }
}

/// Returns a panic's message on one line, without the texts that it quotes in backticks. This program's own
/// messages contain no values, but the standard library quotes a text that it cannot slice.
fn shown(message: &str) -> String {
    let mut quoted = false;
    let mut shown = String::new();
    for character in message.chars().take(PANIC_MAX) {
        if character == '`' {
            quoted = !quoted;
            shown.push_str(if quoted { "`…" } else { "`" });
        } else if !quoted {
            shown.push(if character.is_control() {
                ' '
            } else {
                character
            });
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line_that_quotes_nothing() {
        let cut = "byte index 1 is not a char boundary; it is inside 'é' (bytes 0..2) of `élan`";
        assert_eq!(shown(cut), cut.replace("élan", "…"));
        assert_eq!(
            shown("on a `None` value\nfrom `x"),
            "on a `…` value from `…"
        );
        assert_eq!(shown(&"x".repeat(PANIC_MAX + 1)).len(), PANIC_MAX);
    }
}
