//! The wish of the user that a command ends: Ctrl-C, or SIGTERM. The command then leaves nothing half-done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use anyhow::Context;

use super::signal::{self, Hangup};

static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// Catches the signals from now on, on a thread of its own.
pub(super) fn catch() -> anyhow::Result<()> {
    let (caught, is_caught) = mpsc::channel();
    let wait = move || {
        actix_web::rt::System::new().block_on(async move {
            match signal::stop(Hangup::Stops) {
                Ok(stop) => {
                    let _ = caught.send(Ok(()));
                    stop.first.await;
                    IS_STOPPED.store(true, Ordering::Relaxed);
                    // The second and the third are for a command that does not end.
                    std::future::pending::<()>().await;
                }
                Err(error) => {
                    let _ = caught.send(Err(error));
                }
            }
        });
    };
    let started = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait);
    started.context("cannot start a thread")?;
    is_caught.recv().context("cannot catch signals")?
}

/// Reports whether a signal has come.
pub(super) fn is_stopped() -> bool {
    IS_STOPPED.load(Ordering::Relaxed)
}
