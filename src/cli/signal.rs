//! The signals that stop a server, and the signals that it ignores.
//!
//! A server that ends at once cuts off the attempts under way, and makes them again after the next start. So
//! SIGTERM, SIGINT and SIGQUIT stop a server gracefully. It ignores SIGUSR1, SIGUSR2 and, depending on the
//! command ([`Hangup`]), SIGHUP. The standard library makes the process ignore SIGPIPE.

use std::future::Future;
use std::pin::Pin;

/// The meaning of SIGHUP for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// No meaning. A sender may expect the server to read its settings again, which it cannot; or the sender
    /// is the shell of a user who has logged out.
    Ignored,
    /// The user closed the terminal: the command stops, unless `nohup` started it.
    Stops,
}

#[cfg(unix)]
pub(super) use self::unix::stop;

/// Returns a future that resolves at Ctrl-C.
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
    use crate::log_queue::{self, FLUSH_TIMEOUT};

    /// The number of the signal "file size limit exceeded"; the same on Linux and macOS.
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
            // Checked before SIGHUP is caught, because a signal that is caught is no longer ignored.
            let hangup_counts = hangup == Hangup::Stops && !is_ignored(SignalKind::hangup());
            Ok(Self {
                hangup_counts,
                terminate: caught(SignalKind::terminate())?,
                interrupt: caught(SignalKind::interrupt())?,
                quit: caught(SignalKind::quit())?,
                hangup: caught(SignalKind::hangup())?,
            })
        }

        /// Waits for one of the signals.
        async fn next(&mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.quit.recv() => {}
                _ = self.hangup.recv(), if self.hangup_counts => {}
            }
        }
    }

    /// Catches the signals, and returns a future that resolves at the first one that stops the server, even
    /// if it comes while the server starts. A second one ends the process at once: its sender does not want
    /// to wait for the graceful stop. Needs actix's runtime.
    pub(in super::super) fn stop(hangup: Hangup) -> anyhow::Result<impl Future<Output = ()>> {
        ignore_others()?;
        let mut stops = Stops::catch(hangup)?;
        Ok(async move {
            stops.next().await;
            actix_web::rt::spawn(async move {
                stops.next().await;
                tracing::warn!("stopped at once; deliveries that were cut off are made again");
                log_queue::flush(FLUSH_TIMEOUT);
                std::process::exit(1);
            });
        })
    }

    /// Keeps SIGUSR1, SIGUSR2 and SIGXFSZ from ending the process, by catching each of them once: tokio then
    /// catches them until the process ends. A write beyond `ulimit -f` fails like one to a full disk.
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

    /// Reports whether the process ignores a signal, as `nohup` arranges it; false if the system has no
    /// `/proc`.
    fn is_ignored(kind: SignalKind) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let masks = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = masks.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
    }
}
