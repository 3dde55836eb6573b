//! Tests of the queue, with the test as its exporting thread.

use std::time::{Instant, SystemTime};

use uuid::Uuid;

use super::queue::{BATCH, QUEUE_SPANS};
use super::*;

fn span(span_id: u64) -> Span {
    Span {
        trace_id: 1,
        span_id,
        parent_id: None,
        start: SystemTime::UNIX_EPOCH,
        duration: Duration::ZERO,
        step: Step::Commit {
            message_id: Uuid::nil(),
            workspace_id: Uuid::nil(),
        },
    }
}

fn ids(batch: &[Span]) -> Vec<u64> {
    batch.iter().map(|span| span.span_id).collect()
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let queue = SpanQueue::default();
    let room = QUEUE_SPANS as u64;
    (1..=room + 3).for_each(|id| queue.push(span(id)));
    assert_eq!(queue.dropped(), 3);
    let (mut taken, mut batch) = (Vec::new(), Vec::new());
    while taken.len() < QUEUE_SPANS {
        assert!(queue.next(&mut batch));
        assert_eq!(batch.len(), BATCH);
        queue.settle(BATCH);
        taken.extend(ids(&batch));
        batch.clear();
    }
    assert_eq!(taken, (1..=room).collect::<Vec<_>>());
    assert_eq!((queue.exported(), queue.dropped()), (room, 3));
    queue.push(span(1));
    assert_eq!(queue.dropped(), 3, "there is room again");
}

#[test]
fn what_a_collector_refuses_counts_as_dropped() {
    let queue = SpanQueue::default();
    let mut batch = Vec::new();
    for (exported, totals) in [(3, (3, 0)), (1, (4, 2)), (0, (4, 5))] {
        (1..=3).for_each(|id| queue.push(span(id)));
        batch.clear();
        assert!(queue.next(&mut batch));
        queue.settle(exported);
        assert_eq!((queue.exported(), queue.dropped()), totals);
    }
}

#[test]
fn spans_gather_until_there_is_a_batch_or_the_end() {
    let queue = Arc::new(SpanQueue::default());
    let source = queue.clone();
    let thread = std::thread::spawn(move || {
        let (mut sizes, mut batch) = (Vec::new(), Vec::new());
        while source.next(&mut batch) {
            source.settle(batch.len());
            sizes.push(batch.len());
            batch.clear();
        }
        source.end();
        sizes
    });
    let all = BATCH + 1;
    (0..all as u64).for_each(|id| queue.push(span(id)));
    let began = Instant::now();
    assert_eq!(queue.stop(Duration::from_secs(30)), 0);
    assert!(began.elapsed() < Duration::from_secs(20), "the end is told");
    assert_eq!(thread.join().unwrap().iter().sum::<usize>(), all);
    assert_eq!((queue.exported(), queue.dropped()), (all as u64, 0));
    queue.push(span(1));
    assert_eq!(queue.dropped(), 1, "nothing is taken after the end");
}

#[test]
fn a_stop_waits_no_longer_than_told_and_counts_what_is_left_once() {
    let queue = SpanQueue::default();
    (1..=5).for_each(|id| queue.push(span(id)));
    let mut batch = Vec::new();
    assert!(queue.next(&mut batch));
    assert_eq!(batch.len(), 5);
    queue.push(span(6));
    assert_eq!(queue.stop(Duration::from_millis(20)), 6);
    assert!(queue.deadline().is_some_and(|end| end <= Instant::now()));
    assert_eq!(queue.dropped(), 6);
    // The request that was under way comes to an end at last.
    queue.settle(5);
    assert_eq!((queue.exported(), queue.dropped()), (0, 6));
    batch.clear();
    assert!(!queue.next(&mut batch));
    queue.pause(Duration::from_hours(1));
}

#[test]
fn without_a_collector_nothing_is_counted() {
    let spans = Spans::default();
    assert!(!spans.are_on());
    spans.push(span(1));
    spans.stop();
    assert_eq!((spans.exported(), spans.dropped()), (0, 0));
}
