//! A second implementation of the rules for an endpoint's health, made from the words of the design, without
//! the engine's code.

use std::collections::HashSet;
use std::time::Duration;

use super::model_terms::ModelTerms;
use crate::delivery::protocol::{AttemptResult, Now};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::health::Class;
use crate::storage::{EndpointRest, Seq};

const SECOND: Duration = Duration::from_secs(1);

/// The longest rest, and the longest wait that a receiver may ask for.
const REST_MAX: Duration = Duration::from_mins(30);
const HOLD_MAX: Duration = Duration::from_hours(1);

/// A difference of the clocks that is no step.
const DRIFT: Duration = Duration::from_secs(2);

/// Returns the shortest length of the rest number `rests`, from 0 on: a fifth less than the wait of the schedule
/// with that number, and never more than half an hour.
fn shortest_rest(waits: &[Duration], rests: usize) -> Duration {
    let wait = match waits {
        [] => Duration::from_secs(5),
        waits => waits[rests.min(waits.len() - 1)],
    };
    // A microsecond for rounding.
    (wait.min(REST_MAX) * 4 / 5).saturating_sub(Duration::from_micros(1))
}

struct InFlightAttempt {
    seq: Seq,
    since: Duration,
    /// The endpoint got another URL or was enabled since the start, so the result does not count.
    is_old: bool,
}

/// One endpoint's health, as the second implementation sees it.
pub(super) struct ReferenceModel {
    pub(super) terms: ModelTerms,
    in_flight_attempts: Vec<InFlightAttempt>,
    pub(super) class: Class,
    pub(super) concurrency_limit: u32,
    cap: u32,
    failures: u32,
    rests: usize,
    /// The earliest end of the rest, while the endpoint rests.
    resting: Option<Duration>,
    probe: Option<Seq>,
    retry_after_until: Duration,
    /// Events that a sender gave back: they need not start before later ones.
    pub(super) given_back: HashSet<Seq>,
    /// The last event whose first attempt started.
    pub(super) last_first: Seq,
    /// The last event that a sender took for its first attempt.
    pub(super) last_taken: Seq,
}

impl ReferenceModel {
    pub(super) fn new(cap: u32) -> Self {
        Self {
            terms: ModelTerms::default(),
            in_flight_attempts: Vec::new(),
            class: Class::New,
            concurrency_limit: 1,
            cap,
            failures: 0,
            rests: 0,
            resting: None,
            probe: None,
            retry_after_until: Duration::ZERO,
            given_back: HashSet::new(),
            last_first: Seq(0),
            last_taken: Seq(0),
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        u32::try_from(self.in_flight_attempts.len()).expect("bounded by the senders")
    }

    /// Notes that the endpoint got another URL or was enabled.
    pub(super) fn reset(&mut self) {
        let in_flight_attempts = std::mem::take(&mut self.in_flight_attempts);
        *self = Self {
            terms: std::mem::take(&mut self.terms),
            given_back: std::mem::take(&mut self.given_back),
            last_first: self.last_first,
            ..Self::new(self.cap)
        };
        self.in_flight_attempts = in_flight_attempts;
        for attempt in &mut self.in_flight_attempts {
            attempt.is_old = true;
        }
    }

    /// Begins with what an earlier process stored: the rest and the hold go on by the wall clock.
    pub(super) fn resume(&mut self, rest: EndpointRest, now: Now) {
        let left = |end: Option<Timestamp>, longest: Duration| {
            end.map_or(Duration::ZERO, |end| end.since(now.wall).min(longest))
        };
        self.rests = usize::try_from(rest.rests).expect("few");
        if self.rests > 0 {
            self.class = Class::Bad;
            self.failures = 3;
            self.resting = Some(now.monotonic + left(rest.resting_until, REST_MAX));
        }
        self.retry_after_until = now.monotonic + left(rest.held_until, HOLD_MAX);
    }

    /// Notes that the wall clock was set forward.
    pub(super) fn advance(&mut self, by: Duration) {
        self.resting = self.resting.map(|end| end.saturating_sub(by));
        self.retry_after_until = self.retry_after_until.saturating_sub(by);
    }

    /// Checks what the engine tells the store of the rest.
    pub(super) fn check_note(&self, rest: EndpointRest, now: Now) {
        assert_eq!(usize::try_from(rest.rests), Ok(self.rests), "{rest:?}");
        let left = |end: Option<Timestamp>| end.map_or(Duration::ZERO, |end| end.since(now.wall));
        let least = |end: Duration| end.saturating_sub(now.monotonic).saturating_sub(DRIFT);
        assert_eq!(rest.resting_until.is_some(), self.resting.is_some());
        let resting = left(rest.resting_until);
        assert!(resting <= REST_MAX + DRIFT, "rests for {resting:?}");
        assert!(
            resting >= self.resting.map_or(Duration::ZERO, least),
            "{rest:?}"
        );
        let held = left(rest.held_until);
        let expected = self.retry_after_until.saturating_sub(now.monotonic);
        assert!(
            held.abs_diff(expected) <= DRIFT,
            "{held:?} is not {expected:?}"
        );
    }

    /// Checks that an attempt may start, as far as the endpoint's own state decides, and notes the start.
    pub(super) fn start(&mut self, seq: Seq, is_redelivery: bool, now: Duration) {
        self.terms.start(self.in_flight(), now);
        if !is_redelivery {
            assert!(
                self.in_flight() < self.concurrency_limit,
                "{} in flight, {} allowed",
                self.in_flight(),
                self.concurrency_limit
            );
            assert!(
                now >= self.retry_after_until,
                "started before the end of Retry-After"
            );
            if let Some(end) = self.resting {
                assert!(
                    now >= end,
                    "started {:?} before its rest ended",
                    end.checked_sub(now).unwrap()
                );
                assert_eq!(self.probe, None, "a second probe");
                self.probe = Some(seq);
            }
        }
        self.in_flight_attempts.push(InFlightAttempt {
            seq,
            since: now,
            is_old: false,
        });
    }

    fn end(&mut self, seq: Seq) -> (InFlightAttempt, bool) {
        let at = self
            .in_flight_attempts
            .iter()
            .position(|attempt| attempt.seq == seq);
        let attempt = self
            .in_flight_attempts
            .remove(at.expect("it was in flight"));
        let was_probe = self.probe == Some(seq);
        if was_probe {
            self.probe = None;
        }
        (attempt, was_probe)
    }

    /// Notes that the sender skipped an attempt.
    pub(super) fn skip(&mut self, seq: Seq) {
        self.end(seq);
    }

    /// Notes that the sender gave an event back, which is to start again. Another one may have started meanwhile, if the
    /// pause was over at once.
    pub(super) fn give_back(&mut self, seq: Seq) {
        self.end(seq);
        self.given_back.insert(seq);
    }

    /// Notes that an attempt has become a second old.
    pub(super) fn become_slow(&mut self, seq: Seq, since: Duration) {
        let it = |attempt: &InFlightAttempt| {
            attempt.seq == seq && attempt.since == since && !attempt.is_old
        };
        if self.in_flight_attempts.iter().any(it) {
            self.class = Class::Bad;
        }
    }

    /// Notes the end of an attempt.
    pub(super) fn end_attempt(
        &mut self,
        seq: Seq,
        how: &AttemptResult,
        waits: &[Duration],
        now: Duration,
    ) {
        let (attempt, was_probe) = self.end(seq);
        if attempt.is_old {
            return;
        }
        let slow = |attempt: &InFlightAttempt| !attempt.is_old && attempt.since + SECOND <= now;
        let slow_ones = self.in_flight_attempts.iter().any(slow);
        let succeeded = how.code.is_some_and(|code| (200..300).contains(&code));
        let is_good = succeeded && how.took <= SECOND && !slow_ones;
        self.class = if is_good { Class::Good } else { Class::Bad };
        if let Some(wait) = how.retry_after {
            let end = now + wait.min(HOLD_MAX);
            self.retry_after_until = self.retry_after_until.max(end);
        }
        if succeeded {
            self.concurrency_limit = (self.concurrency_limit + 1).min(self.cap);
            (self.failures, self.rests, self.resting) = (0, 0, None);
            self.probe = None;
            return;
        }
        let counts = how.code.is_none_or(|code| code == 429 || code >= 500);
        self.failures = if counts { self.failures + 1 } else { 0 };
        let to_one = how.error == Some(AttemptFailure::Timeout) || self.failures >= 3;
        self.concurrency_limit = if to_one {
            1
        } else {
            (self.concurrency_limit / 2).max(1)
        };
        if (self.resting.is_none() && self.failures >= 3) || (self.resting.is_some() && was_probe) {
            self.resting = Some(now + shortest_rest(waits, self.rests));
            self.rests += 1;
        }
    }
}
