//! Threads that the server cannot work without, and the locks that threads share.
//!
//! A server without its writer accepts requests and answers none; without its dispatcher it stores messages
//! and delivers none; and both look well from outside. So a thread that is started here ends the process with
//! [`fatal::exit`] when it panics, or when it returns although it was not told to stop. By then the panic has
//! unwound: an open transaction is rolled back.
//!
//! A panic under a lock also leaves the guarded data half changed. The next thread that takes such a lock
//! ends the process as well, instead of going on with wrong counts and queues. A panic that counts as a
//! result, such as one during an attempt, is caught closely around that code, while no lock is held.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::fatal;

/// A thread that works until it is told to stop. Dropping the handle does not stop the thread, but only lets
/// it return: the owner must have made sure that it ends.
pub struct VitalThread {
    thread: Mutex<Option<JoinHandle<()>>>,
    stopping: Arc<AtomicBool>,
}

impl VitalThread {
    /// Starts the thread `name`. `work` must return soon after [`VitalThread::stop`] is called, and not
    /// before.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let may_return = stopping.clone();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let panicked = catch_unwind(AssertUnwindSafe(work)).is_err();
            if let Some(reason) = fatal_end(name, panicked, may_return.load(Ordering::SeqCst)) {
                fatal::exit(&reason);
            }
        })?;
        Ok(Self {
            thread: Mutex::new(Some(thread)),
            stopping,
        })
    }

    /// Stops the thread: calls `tell`, which must make it end, and waits for its end. A second call only
    /// calls `tell`.
    pub fn stop(&self, tell: impl FnOnce()) {
        self.stopping.store(true, Ordering::SeqCst);
        tell();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // After a panic this line is not reached: the thread has ended the process.
            let _ = thread.join();
        }
    }

    /// Reports whether the thread is still to work: [`VitalThread::stop`] was not called yet.
    pub fn is_working(&self) -> bool {
        !self.stopping.load(Ordering::SeqCst)
    }
}

impl Drop for VitalThread {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
    }
}

/// Starts one thread of a pool, with a stack of `stack_bytes`. The thread may return when it has no work. A
/// panic in it ends the process, because the threads that need its work would wait for ever.
///
/// # Errors
/// The system cannot start a thread.
pub fn start_pool_thread(
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

/// Returns the reason why the end of a thread must end the process, if there is one.
fn fatal_end(name: &str, panicked: bool, may_return: bool) -> Option<String> {
    match (panicked, may_return) {
        (true, _) => Some(format!("the thread {name} panicked")),
        (false, false) => Some(format!("the thread {name} ended by itself")),
        (false, true) => None,
    }
}

const HALF_CHANGED: &str = "a panic left half changed what threads share";

/// Takes a lock. If a panic left the guarded data half changed, the process ends.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|_| fatal::exit(HALF_CHANGED))
}

/// Waits for a signal, and releases the lock meanwhile. Ends the process as [`lock`] does.
pub fn wait<'a, T>(signal: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    signal
        .wait(guard)
        .unwrap_or_else(|_: PoisonError<_>| fatal::exit(HALF_CHANGED))
}

/// Waits for a signal as [`wait`] does, for at most `time`. Returns whether that time has passed.
pub fn wait_timeout<'a, T>(
    signal: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let woken = signal.wait_timeout(guard, time);
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
