//! A progress bar for work that takes longer than a second.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output;
use crate::log_queue::{self, FLUSH_TIMEOUT};

/// The time after which the bar appears. Work that is done sooner needs none.
const APPEARS_AFTER: Duration = Duration::from_secs(1);

/// The form of the bar, in far less than 100 columns.
const FORM: &str = "{msg} {wide_bar} {pos}/{len} {eta}";

/// The progress of some work. Where stderr is no terminal, nothing is shown.
#[derive(Debug)]
pub(in crate::cli) struct Progress {
    what: &'static str,
    started: Instant,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `what` is the word for the work, such as `redelivering`.
    pub(in crate::cli) fn new(what: &'static str, total: u64) -> Self {
        Self {
            what,
            started: Instant::now(),
            total,
            done: 0,
            bar: None,
        }
    }

    /// Shows that so much is done in all.
    pub(in crate::cli) fn reach(&mut self, done: u64) {
        self.done = done;
        if self.bar.is_none() && self.started.elapsed() >= APPEARS_AFTER {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(self.total), target);
            let bar = bar
                .with_message(self.what)
                .with_elapsed(self.started.elapsed());
            if let Ok(style) = ProgressStyle::with_template(FORM) {
                bar.set_style(style);
            }
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// Shows that one more is done.
    pub(in crate::cli) fn advance(&mut self) {
        self.reach(self.done + 1);
    }

    /// Prints a remark above the bar.
    pub(in crate::cli) fn remark(&self, text: &str) {
        let print = || {
            output::remark(text);
            log_queue::flush(FLUSH_TIMEOUT);
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => output::remark(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
