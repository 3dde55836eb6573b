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
    /// The server reads again what it can: see [`Hangups`]. It never ends the server, because the sender
    /// may also be the shell of a user who has logged out.
    Reloads,
    /// The user closed the terminal: the command stops, unless `nohup` started it.
    Stops,
}

#[cfg(unix)]
pub(super) use self::unix::{Hangups, stop};

/// The first and the second signal that stop a server, each as a future.
pub(super) struct Stop<F, S> {
    /// Resolves at the first signal, even if it comes while the server starts.
    pub(super) first: F,
    /// Resolves at the second one: its sender does not want to wait for the attempts under way. A third one ends
    /// the process at once.
    pub(super) second: S,
}

/// Returns futures that resolve at Ctrl-C.
#[cfg(not(unix))]
pub(super) fn stop(
    _: Hangup,
) -> anyhow::Result<Stop<impl Future<Output = ()>, impl Future<Output = ()>>> {
    async fn once() {
        let _ = tokio::signal::ctrl_c().await;
    }
    Ok(Stop {
        first: once(),
        second: std::future::pending(),
    })
}

/// A signal that the system does not have.
#[cfg(not(unix))]
pub(super) struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    pub(super) fn catch() -> anyhow::Result<Self> {
        Ok(Self)
    }

    pub(super) fn call(self, _: impl Fn() + 'static) {}
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
    use tokio::sync::oneshot;

    use super::{Hangup, Stop};
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

    /// Catches the signals. Needs actix's runtime.
    pub(in super::super) fn stop(
        hangup: Hangup,
    ) -> anyhow::Result<Stop<impl Future<Output = ()>, impl Future<Output = ()>>> {
        ignore_others()?;
        let mut stops = Stops::catch(hangup)?;
        let (first, is_first) = oneshot::channel();
        let (second, is_second) = oneshot::channel();
        actix_web::rt::spawn(async move {
            stops.next().await;
            let _ = first.send(());
            stops.next().await;
            let _ = second.send(());
            stops.next().await;
            tracing::warn!("stopped at once; deliveries that were cut off are made again");
            log_queue::flush(FLUSH_TIMEOUT);
            std::process::exit(1);
        });
        Ok(Stop {
            first: resolved(is_first),
            second: resolved(is_second),
        })
    }

    /// Resolves once something was sent. The sender is never dropped before.
    async fn resolved(receiver: oneshot::Receiver<()>) {
        if receiver.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The signal SIGHUP, from the start of the server on: one that comes before [`Hangups::call`] is not lost.
    pub(in super::super) struct Hangups(Signal);

    impl Hangups {
        /// Catches the signal. Needs actix's runtime.
        pub(in super::super) fn catch() -> anyhow::Result<Self> {
            Ok(Self(caught(SignalKind::hangup())?))
        }

        /// Calls `action` at each signal, on the runtime's thread, which it must not block for long.
        pub(in super::super) fn call(mut self, action: impl Fn() + 'static) {
            actix_web::rt::spawn(async move {
                while self.0.recv().await.is_some() {
                    action();
                }
            });
        }
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
