//! The queue: the events that it returns, their order and their number.

use std::time::Duration;

use super::fixture::{Open, SECOND, StoreFixture, seqs};
use crate::storage::{Backlog, EndpointRest, EventBody, QueuedEvent, Run, Seq, StoredTarget};

/// Publishes some events to one endpoint.
fn published(it: &StoreFixture, count: usize) -> Vec<QueuedEvent> {
    let (workspace, _) = it.tenant();
    (0..count).map(|_| it.published(&workspace)).collect()
}

pub(super) fn fresh_events_come_in_publish_order_from_a_number_on_and_no_more_than_asked(
    open: Open,
) {
    let it = StoreFixture::new(open);
    let events = published(&it, 5);
    let all = seqs(&events);
    let endpoint = events[0].endpoint;
    assert!(all.is_sorted());
    assert_eq!(seqs(&it.fresh(endpoint, Seq(0))), all);
    assert_eq!(seqs(&it.fresh(endpoint, all[1])), all[2..]);
    let some = it.queue.fresh(endpoint, all[0], 2).unwrap();
    assert_eq!(seqs(&some), all[1..3]);
    it.retry_at(&events[2], it.now().after(SECOND));
    assert_eq!(seqs(&it.fresh(endpoint, all[1])), all[3..]);
}

pub(super) fn retries_come_when_they_are_due_soonest_first_and_no_more_than_asked(open: Open) {
    let it = StoreFixture::new(open);
    let events = published(&it, 4);
    let endpoint = events[0].endpoint;
    let start = it.now();
    let due = |seconds| start.after(Duration::from_secs(seconds));
    for (event, seconds) in events.iter().zip([30, 10, 20, 40]) {
        it.retry_at(event, due(seconds));
    }
    let retries = |now, limit| {
        let batch = it.queue.retries(endpoint, Run(0), now, limit).unwrap();
        (seqs(&batch.events), batch.next_due)
    };
    let [a, b, c, d] = events.each_seq();
    assert_eq!(retries(due(9), 10), (vec![], Some(due(10))));
    assert_eq!(retries(due(10), 10), (vec![b], Some(due(20))));
    assert_eq!(retries(due(30), 10), (vec![b, c, a], Some(due(40))));
    assert_eq!(retries(due(40), 2), (vec![b, c], Some(due(30))));
    assert_eq!(retries(due(40), 10), (vec![b, c, a, d], None));
}

/// The numbers of a known count of events.
trait EachSeq {
    fn each_seq<const N: usize>(&self) -> [Seq; N];
}

impl EachSeq for Vec<QueuedEvent> {
    fn each_seq<const N: usize>(&self) -> [Seq; N] {
        seqs(self).try_into().expect("as many as were published")
    }
}

pub(super) fn redeliveries_come_in_publish_order_and_apart_from_retries(open: Open) {
    let it = StoreFixture::new(open);
    let events = published(&it, 4);
    let endpoint = events[0].endpoint;
    let [a, b, c, d] = events.each_seq();
    it.retry_at(&events[0], it.now());
    for at in [3, 1, 2] {
        it.redeliver(&events[at]);
    }
    assert_eq!(seqs(&it.redeliveries(endpoint, Run(0))), [b, c, d]);
    let some = it.queue.redeliveries(endpoint, Run(0), 2).unwrap();
    assert_eq!(seqs(&some), [b, c]);
    assert_eq!(seqs(&it.retries(endpoint)), [a]);
    assert_eq!(it.fresh(endpoint, Seq(0)).len(), 0);
    // Once it was attempted, it is a retry like any other.
    let begun = &it.redeliveries(endpoint, Run(0))[0];
    it.retry_at(begun, it.now());
    assert_eq!(seqs(&it.redeliveries(endpoint, Run(0))), [c, d]);
    assert_eq!(seqs(&it.retries(endpoint)), [a, b]);
}

pub(super) fn skipped_runs_are_not_handed_out(open: Open) {
    let it = StoreFixture::new(open);
    let events = published(&it, 4);
    let endpoint = events[0].endpoint;
    let [_, b, _, d] = events.each_seq();
    it.retry_at(&events[0], it.now());
    it.retry_at(&events[1], it.now());
    let older = it.redeliver(&events[2]);
    let newer = it.redeliver(&events[3]);
    assert!(newer.run > older.run);
    let batch = it.queue.retries(endpoint, events[0].run, it.now(), 10);
    assert_eq!(seqs(&batch.unwrap().events), [b]);
    assert_eq!(seqs(&it.redeliveries(endpoint, older.run)), [d]);
}

pub(super) fn an_event_is_handed_out_with_its_run_and_its_attempts(open: Open) {
    let it = StoreFixture::new(open);
    let events = published(&it, 1);
    let first = &it.fresh(events[0].endpoint, Seq(0))[0];
    assert_eq!((first.id, first.seq), (events[0].id, events[0].seq));
    assert_eq!(first.workspace, events[0].workspace);
    assert_eq!(first.event_type, events[0].event_type);
    // The first run of an event has its number.
    assert_eq!(first.run, Run(first.seq.0));
    assert_eq!((first.run_attempt, first.attempts), (0, 0));
    assert_eq!(first.run_started, it.event(first.id).created_at);
    it.clock.advance(SECOND);
    it.retry_at(first, it.now());
    let second = &it.retries(first.endpoint)[0];
    assert_eq!((second.run_attempt, second.attempts), (1, 1));
    assert_eq!(second.run, first.run);
    assert_eq!(second.run_started, first.run_started);
    it.clock.advance(SECOND);
    let third = it.redeliver(second);
    assert!(third.run > first.run);
    assert_eq!((third.run_attempt, third.attempts), (0, 1));
    assert_eq!(third.run_started, it.now());
}

pub(super) fn targets_are_the_enabled_endpoints_with_their_backlog(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, first) = it.tenant();
    let event = it.published(&workspace);
    let disabled = it.endpoint(&workspace, &["b"]);
    it.set_enabled(&disabled, false);
    let idle = it.endpoint(&workspace, &["b"]);
    let backlog = |fresh, next_due, redeliveries| Backlog {
        fresh,
        next_due,
        redeliveries,
    };
    let targets = || {
        let mut targets = it.queue.targets().unwrap();
        targets.sort_by_key(|it| it.target.number);
        targets
    };
    let with = |of_first| {
        [(&first, of_first), (&idle, Backlog::default())].map(|(endpoint, backlog)| StoredTarget {
            target: it.target(endpoint.id).0,
            backlog,
            rest: EndpointRest::default(),
        })
    };
    assert_eq!(targets(), with(backlog(true, None, false)));
    let due = it.now().after(SECOND);
    it.retry_at(&event, due);
    assert_eq!(targets(), with(backlog(false, Some(due), false)));
    it.redeliver(&event);
    let found = targets()[0].backlog;
    assert!(found.redeliveries && !found.fresh, "{found:?}");
}

pub(super) fn bodies_come_in_order_as_many_as_fit_and_one_at_least(open: Open) {
    let it = StoreFixture::new(open);
    let events = published(&it, 3);
    let sent: Vec<_> = events.iter().map(|event| event.body.clone()).collect();
    let size = sent[0].as_ref().map(EventBody::size);
    let size = size.expect("a body is at hand at its publish");
    let traced = |body: &Option<EventBody>| body.as_ref().is_some_and(|it| it.trace().is_some());
    assert!(sent.iter().all(traced));
    let mut order = seqs(&events);
    let bodies = |seqs: &[Seq], bytes| it.queue.bodies(seqs, bytes).unwrap();
    assert_eq!(bodies(&order, size * 3), sent);
    assert_eq!(bodies(&order, size * 3 - 1), sent[..2]);
    assert_eq!(bodies(&order, 1), sent[..1]);
    order.reverse();
    assert_eq!(bodies(&order, size), sent[2..]);
}
