//! The queue of spans that wait for the exporting thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::span::Span;

/// The most spans that wait: as many as a busy server makes in a second, some 3 MiB.
pub(super) const QUEUE_SPANS: usize = 16_384;

/// The most spans of one request: some 700 KB of JSON. Collectors take 4 MB and more.
pub(super) const BATCH: usize = 1024;

/// The time for which spans gather before they are sent, unless there are [`BATCH`] of them before.
const GATHER: Duration = Duration::from_secs(1);

/// The signal that the exporting thread waits for.
#[derive(Debug, Default, PartialEq, Eq)]
enum Waits {
    /// None: it is at work.
    #[default]
    No,
    /// Any span.
    ForSpan,
    /// [`BATCH`] spans, or the end of [`GATHER`].
    ForBatch,
}

#[derive(Debug, Default)]
struct State {
    spans: VecDeque<Span>,
    waits: Waits,
    /// Spans that the thread took and has not settled yet.
    taken: usize,
    /// The time at which a stopping thread gives up.
    deadline: Option<Instant>,
    has_ended: bool,
}

/// The queue, its counts and its two signals.
#[derive(Debug, Default)]
pub(super) struct SpanQueue {
    state: Mutex<State>,
    /// Signals that spans were queued, or that the thread is to end.
    arrived: Condvar,
    /// Signals that the thread has ended.
    ended: Condvar,
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl SpanQueue {
    /// Takes the lock, even if a panic has poisoned it: at worst a count is wrong, and no trace is worth the end
    /// of a server.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a span, or drops it if there is no room.
    pub(super) fn push(&self, span: Span) {
        let mut state = self.lock();
        if state.spans.len() >= QUEUE_SPANS || state.deadline.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.spans.push_back(span);
        let wakes = match state.waits {
            Waits::No => false,
            Waits::ForSpan => true,
            Waits::ForBatch => state.spans.len() >= BATCH,
        };
        if wakes {
            state.waits = Waits::No;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits for spans and takes a batch of them. Returns false when the thread is to end and none are left.
    pub(super) fn next(&self, batch: &mut Vec<Span>) -> bool {
        let mut state = self.lock();
        while state.spans.is_empty() && state.deadline.is_none() {
            state.waits = Waits::ForSpan;
            let woken = self.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.waits = Waits::ForBatch;
        let gathers = |state: &mut State| state.spans.len() < BATCH && state.deadline.is_none();
        let gathered = self.arrived.wait_timeout_while(state, GATHER, gathers);
        state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        state.waits = Waits::No;
        let count = state.spans.len().min(BATCH);
        batch.extend(state.spans.drain(..count));
        state.taken = count;
        count > 0
    }

    /// Counts what became of the batch that was taken: a collector took `exported` spans of it.
    pub(super) fn settle(&self, exported: usize) {
        let mut state = self.lock();
        // A stop that gave up has counted them as dropped.
        let taken = std::mem::take(&mut state.taken);
        let exported = exported.min(taken);
        self.exported.fetch_add(count(exported), Ordering::Relaxed);
        self.dropped
            .fetch_add(count(taken - exported), Ordering::Relaxed);
    }

    /// Waits for `time`, or until the thread is to end.
    pub(super) fn pause(&self, time: Duration) {
        let goes_on = |state: &mut State| state.deadline.is_none();
        drop(self.arrived.wait_timeout_while(self.lock(), time, goes_on));
    }

    /// Returns the time at which the thread is to give up, once it is to end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lock().deadline
    }

    /// Tells that the thread has ended.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.ended.notify_all();
    }

    /// Makes the thread send what is queued, and end. Waits at most `timeout`; returns the number of spans that
    /// were then not sent yet, and are dropped.
    pub(super) fn stop(&self, timeout: Duration) -> usize {
        let mut state = self.lock();
        state.deadline = Some(Instant::now() + timeout);
        self.arrived.notify_all();
        let runs = |state: &mut State| !state.has_ended;
        let waited = self.ended.wait_timeout_while(state, timeout, runs);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let left = state.spans.len() + std::mem::take(&mut state.taken);
        state.spans.clear();
        self.dropped.fetch_add(count(left), Ordering::Relaxed);
        left
    }

    /// Returns the number of spans that a collector took.
    pub(super) fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Returns the number of spans that no collector took.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn count(spans: usize) -> u64 {
    u64::try_from(spans).unwrap_or(u64::MAX)
}
