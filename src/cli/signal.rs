//! The signals that stop a server, and those that it does not heed.
//!
//! What would end a process at once costs the attempts under way, which are then made twice. So SIGTERM,
//! SIGINT and SIGQUIT stop a server with grace; SIGUSR1, SIGUSR2 and, where it is no sign that the user has
//! gone, SIGHUP do nothing, however they got here. The standard library has SIGPIPE ignored.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use anyhow::Context;

use crate::log_queue::{self, LAST_WORDS};

/// What SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// Nothing: who sends it to a server has its settings read again, or logged out.
    Ignored,
    /// The terminal was closed, and with it goes what was tried in it; unless it was started with `nohup`.
    Stops,
}

/// "File size limit exceeded"; the same number on Linux and macOS.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// Resolves at the first signal that stops. They are caught from this call on, so that one which comes
/// while the server starts is not lost. A second one ends the process at once: its sender has seen
/// the server stop, and does not want to wait. Runs in actix's runtime.
#[cfg(unix)]
pub(super) fn stop(hangup: Hangup) -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    async fn any(signals: &mut [Signal]) {
        poll_fn(|context| {
            let came = |signal: &mut Signal| signal.poll_recv(context).is_ready();
            // All are asked, so that each wakes this task.
            if signals
                .iter_mut()
                .map(came)
                .fold(false, |any, came| any | came)
            {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    let caught = |kind: SignalKind| {
        let number = kind.as_raw_value();
        signal(kind).with_context(|| format!("cannot catch signal {number}"))
    };
    // A write beyond `ulimit -f` is to fail like one to a full disk, not to end the process: once the
    // signal is caught it does. Listening is all that is needed, and lasts for the process's life.
    let xfsz = SignalKind::from_raw(SIGXFSZ);
    for ignored in [
        xfsz,
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ] {
        drop(caught(ignored)?);
    }
    let mut stops = vec![
        caught(SignalKind::terminate())?,
        caught(SignalKind::interrupt())?,
        caught(SignalKind::quit())?,
    ];
    let stops_at_hangup = hangup == Hangup::Stops && !is_ignored(SignalKind::hangup());
    let hangup = caught(SignalKind::hangup())?;
    if stops_at_hangup {
        stops.push(hangup);
    }
    Ok(async move {
        any(&mut stops).await;
        actix_web::rt::spawn(async move {
            any(&mut stops).await;
            tracing::warn!("stopped at once; deliveries that were cut off are made again");
            log_queue::flush(LAST_WORDS);
            std::process::exit(1);
        });
    })
}

/// Whether whoever started the process had it ignore a signal; no, where the system does not tell.
#[cfg(unix)]
fn is_ignored(kind: tokio::signal::unix::SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let masks = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = masks.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
pub(super) fn stop(_: Hangup) -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// What `work` comes to, unless `stop` resolves before.
pub(super) async fn unless<T>(
    mut stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        if stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}
