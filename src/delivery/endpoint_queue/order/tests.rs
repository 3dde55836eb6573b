//! The tests of the order of starts.

use std::sync::Arc;

use super::*;
use crate::delivery::endpoint_queue::Read;
use crate::delivery::limits::Limits;
use crate::delivery::target::LiveTarget;
use crate::storage::{Backlog, EndpointNumber, RetryBatch, Seq, Target, WorkspaceNumber};

/// The present. Retries are due at some time before it.
const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// The number of the first event that a job let go.
const FIRST_OF_JOB: i64 = 1000;

/// The number of the event that failed once.
const RETRY: i64 = 1;

fn queue() -> EndpointQueue {
    let target = Target::for_tests(EndpointNumber(1), WorkspaceNumber(1));
    let backlog = Backlog::default();
    let target = Arc::new(LiveTarget::new(target));
    EndpointQueue::resumed(target, backlog, 100, Limits::PRODUCTION)
}

fn event(seq: i64, run_attempt: u32) -> QueuedEvent {
    QueuedEvent {
        run_attempt,
        run_started: NOW,
        attempts: run_attempt,
        ..QueuedEvent::for_tests(seq, EndpointNumber(1), WorkspaceNumber(1))
    }
}

/// Returns a queue with so many events of a job in memory.
fn with_events_of_a_job(count: usize) -> EndpointQueue {
    let mut queue = queue();
    queue.due_earlier(NOW);
    let read = queue.next_read(NOW, 1000);
    assert_eq!(read.map(|(read, _)| read), Some(Read::Retries));
    queue.retries_read(RetryBatch {
        events: (FIRST_OF_JOB..)
            .take(count)
            .map(|seq| event(seq, 0))
            .collect(),
        next_due: None,
    });
    assert_eq!(queue.waiting(), count);
    queue
}

/// Takes the next event.
fn next(queue: &mut EndpointQueue) -> Option<i64> {
    let taken = queue.take(Duration::from_secs(1));
    taken.map(|(event, _)| event.seq.0)
}

/// A job has let go as many events as a read brings, and the endpoint is busy with new ones. A retry of a new event
/// that becomes due must not wait on disk until the job gets its turns.
#[test]
fn a_due_retry_is_read_and_starts_before_the_events_of_a_job() {
    let mut queue = with_events_of_a_job(Limits::PRODUCTION.retry_rows);
    for seq in 2..=10 {
        assert!(queue.published(event(seq, 0), true));
    }
    queue.recorded(Seq(RETRY), Some(NOW));
    let read = queue.next_read(NOW, 1000);
    assert_eq!(read.map(|(read, _)| read), Some(Read::Retries));
    queue.retries_read(RetryBatch {
        events: vec![event(RETRY, 1)],
        next_due: None,
    });
    assert_eq!(next(&mut queue), Some(RETRY));
    assert_eq!(next(&mut queue), Some(2));
}

#[test]
fn three_new_events_start_and_then_one_of_a_job() {
    let mut queue = with_events_of_a_job(2);
    for seq in 2..=9 {
        assert!(queue.published(event(seq, 0), true));
    }
    let order: Vec<_> = std::iter::from_fn(|| next(&mut queue)).collect();
    let job = FIRST_OF_JOB;
    assert_eq!(order, [2, 3, 4, job, 5, 6, 7, job + 1, 8, 9]);
}

#[test]
fn no_event_of_a_job_expires_before_its_attempt() {
    let mut queue = with_events_of_a_job(2);
    let began = Timestamp::default()..Timestamp::from_micros(i64::MAX);
    assert!(queue.take_expired(&began).is_none());
    assert_eq!(next(&mut queue), Some(FIRST_OF_JOB));
}
