//! The signals that stop a server.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use anyhow::Context;

/// "File size limit exceeded"; the same number on Linux and macOS.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// Resolves at the first SIGTERM or SIGINT. They are caught from this call on, so that one which comes
/// while the server starts is not lost. A second one ends the process at once: its sender has seen
/// the server stop, and does not want to wait. Runs in actix's runtime.
#[cfg(unix)]
pub(super) fn stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
        poll_fn(|context| {
            let terminated = terminate.poll_recv(context).is_ready();
            if terminated || interrupt.poll_recv(context).is_ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    // A write beyond `ulimit -f` is to fail like one to a full disk, not to end the process: once the
    // signal is caught it does. Listening is all that is needed, and lasts for the process's life.
    drop(signal(SignalKind::from_raw(SIGXFSZ)).context("cannot catch SIGXFSZ")?);
    let mut terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        actix_web::rt::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("stopped at once; deliveries that were cut off are made again");
            std::process::exit(1);
        });
    })
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
pub(super) fn stop() -> anyhow::Result<impl Future<Output = ()>> {
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
