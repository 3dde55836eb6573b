//! A background thread: works at once, then at its periods, and when a test moves a clock; ends when it is told to.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::domain::clock::Clock;
use crate::storage::StoreError;
use crate::vital;
use crate::vital::VitalThread;

#[derive(Default)]
struct Signals {
    stopping: bool,
    /// Set if the thread was woken, or a test has moved a clock, since the last wait.
    jumped: bool,
}

/// The signals to a background thread.
#[derive(Default)]
pub(crate) struct WakeUp {
    signals: Mutex<Signals>,
    woken: Condvar,
}

impl WakeUp {
    /// Reports whether the thread must end.
    pub(super) fn is_stopping(&self) -> bool {
        vital::lock(&self.signals).stopping
    }

    /// Waits for `period`, or until a clock has jumped or the thread must end. Returns true if a clock has jumped.
    pub(super) fn wait(&self, period: Duration) -> bool {
        let end = Instant::now() + period;
        let mut signals = vital::lock(&self.signals);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if signals.stopping || signals.jumped || left.is_zero() {
                return std::mem::take(&mut signals.jumped);
            }
            signals = vital::wait_timeout(&self.woken, signals, left).0;
        }
    }

    /// Waits for `time`, or until the thread must end.
    pub(super) fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        let mut signals = vital::lock(&self.signals);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if signals.stopping || left.is_zero() {
                return;
            }
            signals = vital::wait_timeout(&self.woken, signals, left).0;
        }
    }

    /// Ends the present wait, or the next one.
    pub(crate) fn wake(&self) {
        self.signal(|signals| signals.jumped = true);
    }

    fn signal(&self, change: impl FnOnce(&mut Signals)) {
        change(&mut vital::lock(&self.signals));
        self.woken.notify_all();
    }
}

/// The handle of a background thread.
pub(super) struct BackgroundThread {
    wake_up: Arc<WakeUp>,
    thread: VitalThread,
}

impl BackgroundThread {
    /// Starts a thread that runs `work` until its signals say that it must end.
    pub(super) fn start(
        name: &'static str,
        clock: &dyn Clock,
        work: impl FnOnce(&WakeUp) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let wake_up = Arc::new(WakeUp::default());
        let of_clock = Arc::downgrade(&wake_up);
        clock.on_jump(Arc::new(move || {
            if let Some(wake_up) = of_clock.upgrade() {
                wake_up.signal(|signals| signals.jumped = true);
            }
        }));
        let for_thread = wake_up.clone();
        let thread = VitalThread::start(name, move || work(&for_thread))
            .map_err(|error| StoreError::Internal(format!("no thread for the {name}: {error}")))?;
        Ok(Self { wake_up, thread })
    }

    /// Returns the signals to the thread.
    pub(super) fn wake_up(&self) -> Arc<WakeUp> {
        self.wake_up.clone()
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.thread
            .stop(|| self.wake_up.signal(|signals| signals.stopping = true));
    }
}
