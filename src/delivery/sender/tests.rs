use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::delivery::http_client::{HttpResult, Request, Response};
use crate::delivery::target::LiveTarget;
use crate::domain::clock::SystemClock;
use crate::domain::retry_after::RetryHeaders;
use crate::storage::{EndpointNumber, EventBody, QueuedEvent, Target, WorkspaceNumber};

/// The longest time that a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A receiver that tells of each request, and answers when it is told to.
struct Scripted {
    requests: Mutex<Sender<()>>,
    answers: Mutex<Receiver<()>>,
}

impl Transport for Scripted {
    fn post(&self, _: &Request<'_>) -> HttpResult {
        let _ = self.requests.lock().unwrap().send(());
        let _ = self.answers.lock().unwrap().recv();
        let answer = Response {
            code: 200,
            body: String::new(),
            retry: RetryHeaders::default(),
            location: None,
        };
        HttpResult {
            result: Ok(answer),
            duration: Duration::ZERO,
        }
    }
}

/// A sink that tells of each time in which the dispatcher is to be woken.
struct Wakes(Mutex<Sender<Duration>>);

impl ReportSink for Wakes {
    fn report(&self, _: AttemptReport) {}

    fn wake_in(&self, time: Duration) {
        let _ = self.0.lock().unwrap().send(time);
    }
}

fn job(seq: i64) -> AttemptJob {
    let target = Target::for_tests(EndpointNumber(1), WorkspaceNumber(1));
    let event = QueuedEvent {
        body: Some(EventBody::from([0_u8; 2])),
        ..QueuedEvent::for_tests(seq, target.number, target.workspace)
    };
    AttemptJob {
        event,
        target: Arc::new(LiveTarget::new(target)),
        followers: Vec::new(),
    }
}

/// Returns senders, what tells of each request, and what tells the receiver to answer one.
fn senders(max: usize) -> (Senders, Receiver<()>, Sender<()>) {
    let ((requests, requested), (answer, answers)) = (channel(), channel());
    let transport = Scripted {
        requests: Mutex::new(requests),
        answers: Mutex::new(answers),
    };
    let clock = Arc::new(SystemClock::default());
    let senders = Senders::new(max, Arc::new(transport), clock, Spans::default());
    (senders, requested, answer)
}

/// Returns a fast rate that does not end by itself during a test.
fn fast_rate() -> TakeRate {
    let start = Instant::now() + Duration::from_hours(1);
    let mut rate = TakeRate::default();
    (0..2_000).for_each(|number| rate.taken(start + Duration::from_micros(50) * number, true));
    rate
}

#[test]
fn a_job_that_no_sender_was_called_for_is_looked_at_again_and_started() {
    let (senders, requested, answer) = senders(4);
    let (wakes, woken) = channel();
    let sink: Arc<dyn ReportSink> = Arc::new(Wakes(Mutex::new(wakes)));
    senders.report_to(Arc::downgrade(&sink));
    senders.send([job(1)], false);
    requested.recv_timeout(PATIENCE).unwrap();
    let set_rate = |rate| senders.shared.lock().rate = rate;
    set_rate(fast_rate());
    senders.shared.lock().jobs.extend([job(2), job(3)]);
    answer.send(()).unwrap();
    // The sender takes the second job, and calls none for the third one, because others seem to come free.
    requested.recv_timeout(PATIENCE).unwrap();
    assert_eq!(woken.recv_timeout(PATIENCE), Ok(STALL));
    set_rate(fast_rate());
    senders.call_again();
    assert_eq!(senders.time_to_call(), STALL);
    assert_eq!(senders.running(), 1);
    // The receiver does not answer, so the rate has ended.
    set_rate(TakeRate::default());
    senders.call_again();
    assert_eq!(senders.time_to_call(), Duration::MAX);
    requested.recv_timeout(PATIENCE).unwrap();
    assert_eq!(senders.running(), 2);
    drop(answer);
    senders.stop();
}

#[test]
fn a_job_from_the_reader_that_no_sender_was_called_for_makes_the_dispatcher_look_again() {
    let (senders, requested, answer) = senders(4);
    let (wakes, woken) = channel();
    let sink: Arc<dyn ReportSink> = Arc::new(Wakes(Mutex::new(wakes)));
    senders.report_to(Arc::downgrade(&sink));
    senders.send([job(1)], false);
    requested.recv_timeout(PATIENCE).unwrap();
    senders.shared.lock().rate = fast_rate();
    senders.send([job(2)], false);
    assert_eq!(woken.try_recv(), Ok(STALL));
    senders.send([job(3)], false);
    assert!(woken.try_recv().is_err(), "it will look at all of them");
    drop(answer);
    senders.stop();
}

#[test]
fn a_burst_calls_64_senders_and_the_others_later() {
    let (senders, requested, answer) = senders(100);
    let set_limit = |limit| senders.shared.lock().call_limit = limit;
    let mut limit = CallLimit::default();
    limit.take(80, 0, Instant::now() + Duration::from_hours(1));
    set_limit(limit);
    senders.send((1..=70).map(job), false);
    (1..=64).for_each(|_| requested.recv_timeout(PATIENCE).unwrap());
    senders.call_again();
    assert_eq!((senders.running(), senders.time_to_call()), (64, STALL));
    set_limit(CallLimit::default());
    senders.call_again();
    assert_eq!(
        (senders.running(), senders.time_to_call()),
        (70, Duration::MAX)
    );
    (65..=70).for_each(|_| requested.recv_timeout(PATIENCE).unwrap());
    drop(answer);
    senders.stop();
}

#[test]
fn at_a_fast_rate_some_of_many_senders_go_idle_and_take_jobs_again_when_they_are_called() {
    let (senders, requested, answer) = senders(100);
    let next_request = || requested.recv_timeout(PATIENCE).unwrap();
    senders.send((1..=70).map(job), false);
    (1..=70).for_each(|_| next_request());
    {
        let mut work = senders.shared.lock();
        work.rate = fast_rate();
        work.jobs.extend((71..=134).map(job));
    }
    // One in sixteen that come free takes none of these.
    (1..=64).for_each(|_| answer.send(()).unwrap());
    (71..=130).for_each(|_| next_request());
    let idle = || senders.shared.lock().idle.len();
    let give_up = Instant::now() + PATIENCE;
    while idle() < 4 {
        assert!(Instant::now() < give_up, "{} are idle", idle());
        std::thread::yield_now();
    }
    assert!(requested.try_recv().is_err());
    senders.shared.lock().rate = TakeRate::default();
    senders.call_again();
    (131..=134).for_each(|_| next_request());
    assert_eq!((idle(), senders.running()), (0, 70));
    drop(answer);
    senders.stop();
}

#[test]
fn the_sender_that_became_idle_last_is_called_first() {
    let (senders, requested, answer) = senders(2);
    let next_request = || requested.recv_timeout(PATIENCE).unwrap();
    senders.send([job(1), job(2)], false);
    (1..=2).for_each(|_| next_request());
    let wait_for_idle = |count| {
        let give_up = Instant::now() + PATIENCE;
        while senders.shared.lock().idle.len() < count {
            assert!(Instant::now() < give_up, "{count} idle senders");
            std::thread::yield_now();
        }
        senders.shared.lock().idle[0].clone()
    };
    answer.send(()).unwrap();
    let first = wait_for_idle(1);
    answer.send(()).unwrap();
    wait_for_idle(2);
    senders.send([job(3)], false);
    next_request();
    assert!(Arc::ptr_eq(&first, &wait_for_idle(1)));
    drop(answer);
    senders.stop();
}

#[test]
fn a_reminder_is_due_at_once_and_then_once_a_period() {
    let mut reminder = Reminder::default();
    let start = Duration::from_secs(7);
    assert!(reminder.is_due(start));
    assert!(!reminder.is_due(start));
    let soon = REMINDER_PERIOD.saturating_sub(Duration::from_millis(1));
    assert!(!reminder.is_due(start + soon));
    assert!(reminder.is_due(start + REMINDER_PERIOD));
    assert!(!reminder.is_due(start + REMINDER_PERIOD + soon));
}
