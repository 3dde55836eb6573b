//! Messages to systemd: the server is ready, is alive, and stops (`sd_notify(3)`). Under another supervisor,
//! nothing is sent.

use std::time::Duration;

use actix_web::rt;
use sd_notify::NotifyState;

use crate::config::ListenAddress;

/// Says that the server takes requests. From then on says that it is alive, twice in the time that systemd
/// allows (`WatchdogSec`), as long as `is_alive` says so. Needs actix's runtime.
pub(super) fn ready(addr: &ListenAddress, is_alive: impl Fn() -> bool + 'static) {
    let status = format!("serving on {addr}");
    send(&[NotifyState::Ready, NotifyState::Status(&status)]);
    let Some(allowed) = sd_notify::watchdog_enabled() else {
        return;
    };
    rt::spawn(async move {
        let mut beat = rt::time::interval((allowed / 2).max(Duration::from_millis(1)));
        loop {
            beat.tick().await;
            if is_alive() {
                send(&[NotifyState::Watchdog]);
            } else {
                tracing::warn!("the delivery engine made no round since the last heartbeat");
            }
        }
    });
}

/// Says that the server stops: the attempts under way may take the grace period.
pub(super) fn stopping() {
    let status = "stopping: waiting for the attempts under way";
    send(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// A message that cannot be sent is lost: it only informs.
fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd got no message");
    }
}
