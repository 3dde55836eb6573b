//! Tests of sequences of messages that seldom occur in the simulation.

use std::sync::Arc;
use std::time::Duration;

use super::{Now, Rules, Scheduler};
use crate::delivery::limits::Limits;
use crate::delivery::protocol::{AttemptReport, AttemptResult, ReadResult};
use crate::delivery::target::LiveTargets;
use crate::domain::clock::Timestamp;
use crate::domain::retry::RetryPolicy;
use crate::storage::{
    Backlog, EndpointChange, EndpointNumber, EndpointRest, Notice, QueuedEvent, Recorded, Run, Seq,
    StoredTarget, Target, Verdict, WorkspaceNumber,
};

const NUMBER: EndpointNumber = EndpointNumber(1);

const NOW: Now = Now {
    wall: Timestamp::from_micros(1_700_000_000_000_000),
    monotonic: Duration::from_secs(1),
};

fn scheduler() -> (Scheduler, Arc<LiveTargets>) {
    let live = Arc::new(LiveTargets::default());
    let rules = Rules {
        senders: 16,
        retry: RetryPolicy {
            waits: vec![Duration::from_secs(5)],
            expire_after: Duration::from_hours(72),
        },
        limits: Limits::PRODUCTION,
    };
    let scheduler = Scheduler::new(rules, live.clone(), Box::new(|| 0.5));
    (scheduler, live)
}

fn target(enabled: bool, skip_through: i64) -> Target {
    Target {
        enabled,
        skip_through: Run(skip_through),
        ..Target::for_tests(NUMBER, WorkspaceNumber(1))
    }
}

fn stored(backlog: Backlog) -> StoredTarget {
    StoredTarget {
        target: target(true, 0),
        backlog,
        rest: EndpointRest::default(),
    }
}

fn event(seq: i64, body: Option<usize>) -> QueuedEvent {
    QueuedEvent {
        run_started: NOW.wall,
        body: body.map(|size| vec![b'x'; size].into()),
        ..QueuedEvent::for_tests(seq, NUMBER, WorkspaceNumber(1))
    }
}

fn refused() -> AttemptResult {
    AttemptResult {
        code: Some(500),
        error: None,
        is_final: false,
        response: None,
        retry_after: None,
        took: Duration::from_secs(1),
    }
}

/// The endpoint is disabled, enabled and disabled again before the scheduler gets the first notice. The
/// notice of the enabling is then out of date, and no attempt may start because of it.
#[test]
fn old_notices_do_not_revive_a_disabled_endpoint() {
    let (mut scheduler, live) = scheduler();
    scheduler.resume(&stored(Backlog::default()), NOW);
    let changes = [
        (target(false, 1), EndpointChange::Disabled),
        (target(true, 1), EndpointChange::Enabled),
        (target(false, 3), EndpointChange::Disabled),
    ];
    for (target, _) in &changes {
        live.apply_one(target);
    }
    let recorded = Recorded {
        seq: Seq(1),
        endpoint: NUMBER,
        due: None,
    };
    scheduler.handle_notice(Notice::Recorded(recorded), NOW);
    for (at, (target, change)) in changes.into_iter().enumerate() {
        scheduler.handle_notice(Notice::Endpoint(target, change), NOW);
        if at == 1 {
            scheduler.handle_notice(Notice::Published(event(2, Some(1))), NOW);
        }
        let start = scheduler.next_start(NOW);
        assert!(start.is_none_or(|start| start.target.admit(start.event.run).is_err()));
    }
    assert!(!live.has_pending_notices(NUMBER));
    assert!(!live.get_or_insert(&target(false, 3)).current().enabled);
}

/// An event whose body has to be read delays the events after it whose bodies are in memory.
#[test]
fn nothing_overtakes_a_start_that_waits_for_its_body() {
    let (mut scheduler, _) = scheduler();
    let created = Notice::Endpoint(target(true, 0), EndpointChange::Created);
    scheduler.handle_notice(created, NOW);
    let full = Limits::PRODUCTION.body_bytes;
    scheduler.handle_notice(Notice::Published(event(1, None)), NOW);
    for seq in 2..=4 {
        scheduler.handle_notice(Notice::Published(event(seq, (seq > 2).then_some(9))), NOW);
    }
    // A new endpoint may have one attempt in flight; a redelivery comes on top of that.
    let start = scheduler.next_start(NOW).expect("the first event starts");
    assert_eq!(start.event.seq, Seq(1));
    assert_eq!(start.followers, [Seq(2)]);
    let queue = scheduler.endpoints.get_mut(&NUMBER).expect("it is known");
    assert!(!queue.is_ready(NOW.monotonic));
    queue.bodies_read(vec![(Seq(2), vec![b'x'; 5].into())], full);
    assert_eq!(queue.bytes(), 9 + 9 + 5);
}

/// A run that is over only because the clock was set during its attempt gets one attempt more; an attempt
/// that starts after that is its last.
#[test]
fn a_step_of_the_clock_leaves_a_run_one_more_attempt() {
    let stepped = Now {
        wall: NOW.wall.after(Duration::from_hours(96)),
        monotonic: NOW.monotonic + Duration::from_secs(1),
    };
    for (started, is_last) in [(NOW, false), (stepped, true)] {
        let (mut scheduler, _) = scheduler();
        let created = Notice::Endpoint(target(true, 0), EndpointChange::Created);
        scheduler.handle_notice(created, NOW);
        scheduler.handle_notice(Notice::Published(event(1, Some(1))), NOW);
        scheduler.tick(NOW);
        scheduler.tick(started);
        let start = scheduler.next_start(started).expect("it is its turn");
        scheduler.tick(stepped);
        let report = AttemptReport::Made(start.event, refused());
        let outcome = scheduler
            .handle_report(report, stepped)
            .expect("it was made");
        assert_eq!(outcome.verdict == Verdict::Failed, is_last);
    }
}

/// A redelivery that waits longer than a run lasts gets one attempt, which is its last. Here it waits because
/// another attempt of its endpoint waits for its body.
#[test]
fn a_redelivery_that_waits_for_too_long_gets_one_attempt() {
    let (mut scheduler, _) = scheduler();
    let backlog = Backlog {
        redeliveries: true,
        ..Backlog::default()
    };
    scheduler.resume(&stored(backlog), NOW);
    scheduler.tick(NOW);
    assert!(scheduler.next_read(NOW).is_some());
    let waits = |seq| QueuedEvent {
        run: Run(seq + 10),
        attempts: 3,
        ..event(seq, None)
    };
    let found = ReadResult::Redeliveries {
        endpoint: NUMBER,
        events: Some(vec![waits(1), waits(2)]),
        limit: 100,
    };
    scheduler.handle_read_result(found, NOW);
    let first = scheduler.next_start(NOW).expect("it is its turn");
    assert_eq!(first.followers, [Seq(2)]);
    let mut now = NOW;
    for _ in 0..100 {
        now.wall = now.wall.after(Duration::from_hours(1));
        now.monotonic += Duration::from_hours(1);
        scheduler.tick(now);
        assert!(scheduler.next_expired().is_none());
        assert!(
            scheduler.next_start(now).is_none(),
            "the first is on its way"
        );
    }
    let no_bodies = ReadResult::Bodies {
        endpoint: NUMBER,
        bodies: Vec::new(),
    };
    scheduler.handle_read_result(no_bodies, now);
    let second = scheduler.next_start(now).expect("it gets its attempt");
    assert_eq!(second.event.seq, Seq(2));
    let report = AttemptReport::Made(second.event, refused());
    let outcome = scheduler.handle_report(report, now).expect("it was made");
    assert_eq!(outcome.verdict, Verdict::Failed);
}
