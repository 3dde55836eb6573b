//! The signals that stop a server, and the signals that it ignores.
//!
//! A server that ends at once cuts off the attempts under way, which are then made a second time. So SIGTERM,
//! SIGINT and SIGQUIT stop a server with grace. SIGUSR1, SIGUSR2 and, unless it means that the user is gone,
//! SIGHUP do nothing, whoever sends them. The standard library makes the process ignore SIGPIPE.

use std::future::Future;
use std::pin::Pin;

/// The meaning of SIGHUP for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// No meaning. Its senders expect a server to read its settings again, or they have logged out.
    Ignored,
    /// The terminal was closed, which ends the trial that ran in it; unless `nohup` started the command.
    Stops,
}

#[cfg(unix)]
pub(super) use self::unix::stop;

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
pub(super) fn stop(_: Hangup) -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Returns the output of `work`, or `None` if `stop` resolves first.
pub(super) async fn unless<T>(
    stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        () = stop => None,
        done = work => Some(done),
    }
}

#[cfg(unix)]
mod unix {
    use std::future::Future;

    use anyhow::Context;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Hangup;
    use crate::log_queue::{self, LAST_WORDS};

    /// The number of "file size limit exceeded"; the same on Linux and macOS.
    const SIGXFSZ: i32 = 25;

    /// The signals that stop the server.
    struct Stops {
        terminate: Signal,
        interrupt: Signal,
        quit: Signal,
        hangup: Signal,
        hangup_counts: bool,
    }

    impl Stops {
        fn catch(hangup: Hangup) -> anyhow::Result<Self> {
            // Asked first: a signal that is caught is no longer ignored.
            let hangup_counts = hangup == Hangup::Stops && !is_ignored(SignalKind::hangup());
            Ok(Self {
                hangup_counts,
                terminate: caught(SignalKind::terminate())?,
                interrupt: caught(SignalKind::interrupt())?,
                quit: caught(SignalKind::quit())?,
                hangup: caught(SignalKind::hangup())?,
            })
        }

        /// Waits for one of them.
        async fn next(&mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.quit.recv() => {}
                _ = self.hangup.recv(), if self.hangup_counts => {}
            }
        }
    }

    /// Catches the signals, and returns a future that resolves at the first one that stops the server. A
    /// signal that comes while the server starts is not lost. A second one ends the process at once: its
    /// sender has seen the server stop and does not want to wait. Needs actix's runtime.
    pub(in super::super) fn stop(hangup: Hangup) -> anyhow::Result<impl Future<Output = ()>> {
        ignore_others()?;
        let mut stops = Stops::catch(hangup)?;
        Ok(async move {
            stops.next().await;
            actix_web::rt::spawn(async move {
                stops.next().await;
                tracing::warn!("stopped at once; deliveries that were cut off are made again");
                log_queue::flush(LAST_WORDS);
                std::process::exit(1);
            });
        })
    }

    /// Keeps SIGUSR1, SIGUSR2 and SIGXFSZ from ending the process: a signal that is caught does not, from the
    /// first call on until the process ends. A write beyond `ulimit -f` then fails like one to a full disk.
    fn ignore_others() -> anyhow::Result<()> {
        let xfsz = SignalKind::from_raw(SIGXFSZ);
        for ignored in [
            xfsz,
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ] {
            drop(caught(ignored)?);
        }
        Ok(())
    }

    fn caught(kind: SignalKind) -> anyhow::Result<Signal> {
        let number = kind.as_raw_value();
        signal(kind).with_context(|| format!("cannot catch signal {number}"))
    }

    /// Reports whether the process was started with a signal ignored; false where the system does not tell.
    fn is_ignored(kind: SignalKind) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let masks = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = masks.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
    }
}
