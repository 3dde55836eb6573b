//! Threads that the server cannot do without, and the locks that threads share.
//!
//! A server whose writer has ended takes requests and answers none; one whose dispatcher has ended stores
//! messages and delivers none; and both look well from outside. So a thread that is started here ends the
//! process by [`fatal::exit`] when it panics, or returns although nobody told it to. The panic has
//! unwound by then: a transaction that it was in is rolled back.
//!
//! A panic also leaves what it was changing half changed. Whoever comes to such a lock ends the process as
//! well, instead of going on with counts and queues that are no longer true. A panic that is an outcome,
//! as that of an attempt, is caught where it can be none but that, while no lock is held.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::fatal;

/// A thread that works until it is told to end. Dropping the handle leaves the thread to itself: whoever
/// drops it has seen to its end.
pub struct VitalThread {
    thread: Mutex<Option<JoinHandle<()>>>,
    told: Arc<AtomicBool>,
}

impl VitalThread {
    /// Starts the thread `name`; `work` returns soon after it was told to ([`VitalThread::stop`]), and not
    /// before.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let told = Arc::new(AtomicBool::new(false));
        let was_told = told.clone();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let panicked = catch_unwind(AssertUnwindSafe(work)).is_err();
            if let Some(reason) = fatal_end(name, panicked, was_told.load(Ordering::SeqCst)) {
                fatal::exit(&reason);
            }
        })?;
        Ok(Self {
            thread: Mutex::new(Some(thread)),
            told,
        })
    }

    /// Has the thread end, which `tell` tells it, and waits until it has. Called again, it only tells.
    pub fn stop(&self, tell: impl FnOnce()) {
        self.told.store(true, Ordering::SeqCst);
        tell();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A panic has ended the process.
            let _ = thread.join();
        }
    }

    /// Whether the thread has not been told to end.
    pub fn is_working(&self) -> bool {
        !self.told.load(Ordering::SeqCst)
    }
}

impl Drop for VitalThread {
    fn drop(&mut self) {
        self.told.store(true, Ordering::SeqCst);
    }
}

/// Starts one thread of a pool, with a stack of `stack_bytes`. It may return when there is nothing to do;
/// a panic ends the process, since whoever waits for its work would wait for ever.
///
/// # Errors
/// The system gives no thread.
pub fn start_one_of_many(
    name: &'static str,
    stack_bytes: usize,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let builder = Builder::new().name(name.to_owned()).stack_size(stack_bytes);
    builder.spawn(move || {
        let panicked = catch_unwind(AssertUnwindSafe(work)).is_err();
        if let Some(reason) = fatal_end(name, panicked, true) {
            fatal::exit(&reason);
        }
    })
}

/// Why the end of a thread is that of the process, if it is.
fn fatal_end(name: &str, panicked: bool, may_return: bool) -> Option<String> {
    match (panicked, may_return) {
        (true, _) => Some(format!("the thread {name} panicked")),
        (false, false) => Some(format!("the thread {name} ended by itself")),
        (false, true) => None,
    }
}

const HALF_CHANGED: &str = "a panic left half changed what threads share";

/// Takes a lock. If a panic left what it guards half changed, the process ends.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|_| fatal::exit(HALF_CHANGED))
}

/// Waits for a sign, with the lock given back meanwhile; as [`lock`].
pub fn wait<'a, T>(sign: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    sign.wait(guard)
        .unwrap_or_else(|_: PoisonError<_>| fatal::exit(HALF_CHANGED))
}

/// The same for at most `time`; with whether that has passed.
pub fn wait_timeout<'a, T>(
    sign: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let woken = sign.wait_timeout(guard, time);
    let (guard, waited) = woken.unwrap_or_else(|_| fatal::exit(HALF_CHANGED));
    (guard, waited.timed_out())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn only_a_return_that_was_told_is_no_end_of_the_process() {
        assert_eq!(fatal_end("x", false, true), None);
        let by_itself = "the thread x ended by itself".to_owned();
        assert_eq!(fatal_end("x", false, false), Some(by_itself));
        for told in [false, true] {
            let panicked = "the thread x panicked".to_owned();
            assert_eq!(fatal_end("x", true, told), Some(panicked), "{told}");
        }
    }

    #[test]
    fn a_thread_works_until_it_is_told_and_is_waited_for() {
        let (tell, told) = channel::<()>();
        let ended = Arc::new(AtomicBool::new(false));
        let has_ended = ended.clone();
        let thread = VitalThread::start("vital", move || {
            assert!(told.recv().is_err(), "nothing is sent");
            has_ended.store(true, Ordering::SeqCst);
        });
        let thread = thread.unwrap();
        assert!(thread.is_working());
        thread.stop(|| drop(tell));
        assert!(ended.load(Ordering::SeqCst));
        assert!(!thread.is_working());
        thread.stop(|| {});
    }
}
