use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::storage::{QueuedEvent, WorkspaceNumber};

/// The longest time that a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn mailbox() -> Mailbox {
    Mailbox::new(Arc::default())
}

fn report() -> AttemptReport {
    let event = QueuedEvent::for_tests(1, EndpointNumber(1), WorkspaceNumber(1));
    AttemptReport::Skipped(event)
}

/// Waits until the dispatcher's thread sleeps.
fn wait_for_sleep(mailbox: &Mailbox) {
    let end = Instant::now() + PATIENCE;
    while mailbox.lock().sleeps_until.is_none() {
        assert!(Instant::now() < end, "the dispatcher's thread never sleeps");
        thread::yield_now();
    }
}

#[test]
fn one_thread_at_a_time_makes_rounds_and_no_report_is_lost() {
    const SENDERS: usize = 8;
    const REPORTS: usize = 2_000;
    let mailbox = mailbox();
    let (handled, overlaps) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_busy = AtomicBool::new(false);
    let make_rounds = |messages: Messages| {
        let mut next = Some(messages);
        while let Some(messages) = next {
            let overlaps_other = is_busy.swap(true, Ordering::SeqCst);
            overlaps.fetch_add(usize::from(overlaps_other), Ordering::SeqCst);
            handled.fetch_add(messages.reports.len(), Ordering::SeqCst);
            is_busy.store(false, Ordering::SeqCst);
            next = mailbox.end_round(PERIOD_MAX);
        }
    };
    thread::scope(|scope| {
        let dispatcher = scope.spawn(|| {
            loop {
                let messages = mailbox.wait_for_round();
                let stop = messages.stop.is_due;
                make_rounds(messages);
                if stop {
                    break;
                }
            }
        });
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..REPORTS {
                        if let Some(messages) = mailbox.put_report(report()) {
                            make_rounds(messages);
                        }
                        mailbox.wake();
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        mailbox.stop();
        dispatcher.join().unwrap();
    });
    assert_eq!(handled.into_inner(), SENDERS * REPORTS);
    assert_eq!(overlaps.into_inner(), 0, "two rounds at a time");
}

#[test]
fn a_message_during_a_round_goes_to_the_thread_that_makes_it_and_wakes_nobody() {
    let mailbox = mailbox();
    let first = mailbox.put_report(report()).unwrap();
    assert_eq!(first.reports.len(), 1);
    assert!(mailbox.put_report(report()).is_none());
    let second = mailbox.end_round(PERIOD_MAX).unwrap();
    assert_eq!(second.reports.len(), 1);
    assert!(mailbox.end_round(PERIOD_MAX).is_none());
    assert!(mailbox.put_report(report()).is_some());
}

#[test]
fn a_stopping_engine_gives_rounds_to_the_dispatcher_only() {
    let mailbox = mailbox();
    let round = mailbox.put_report(report()).unwrap();
    mailbox.stop();
    assert!(!round.stop.is_due);
    assert!(mailbox.put_report(report()).is_none());
    assert!(mailbox.end_round(Duration::ZERO).is_none());
    assert!(mailbox.put_report(report()).is_none());
    let last = mailbox.wait_for_round();
    assert!(last.stop.is_due);
    assert_eq!(last.reports.len(), 2);
}

#[test]
fn the_dispatcher_is_woken_for_an_earlier_time_and_not_for_a_later_one() {
    let mailbox = mailbox();
    drop(mailbox.wait_for_round());
    assert!(mailbox.end_round(PERIOD_MAX).is_none());
    thread::scope(|scope| {
        let dispatcher = scope.spawn(|| mailbox.wait_for_round());
        for (time, wakes) in [(PERIOD_MAX, false), (Duration::ZERO, true)] {
            wait_for_sleep(&mailbox);
            assert!(mailbox.put_report(report()).is_some());
            assert!(mailbox.end_round(time).is_none());
            assert_eq!(mailbox.lock().sleeps_until.is_none(), wakes, "{time:?}");
        }
        assert!(dispatcher.join().unwrap().is_empty());
    });
}
