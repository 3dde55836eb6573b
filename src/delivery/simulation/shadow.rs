//! What an endpoint may do, worked out a second time: from the design's words, without the engine's code.

use std::time::Duration;

use crate::delivery::protocol::Attempted;
use crate::domain::delivery_error::DeliveryError;
use crate::domain::health::Class;
use crate::storage::Seq;

const SECOND: Duration = Duration::from_secs(1);

/// Rests at their shortest: a fifth less than 5 s, 30 s, 2, 10, 30 min.
const RESTS: [Duration; 5] = [
    Duration::from_secs(4),
    Duration::from_secs(24),
    Duration::from_secs(96),
    Duration::from_mins(8),
    Duration::from_mins(24),
];

struct Flight {
    seq: Seq,
    since: Duration,
    /// From before the endpoint moved or was enabled: what it teaches is of no use.
    is_old: bool,
}

/// One endpoint's health.
pub(super) struct Shadow {
    flights: Vec<Flight>,
    pub(super) class: Class,
    pub(super) allowance: u32,
    cap: u32,
    failures: u32,
    rests: usize,
    /// It rests, at least until then.
    resting: Option<Duration>,
    probe: Option<Seq>,
    held_until: Duration,
    /// The last event whose first attempt started.
    pub(super) last_first: Seq,
    /// The last one that a sender took for its first attempt.
    pub(super) last_taken: Seq,
}

impl Shadow {
    pub(super) fn new(cap: u32) -> Self {
        Self {
            flights: Vec::new(),
            class: Class::New,
            allowance: 1,
            cap,
            failures: 0,
            rests: 0,
            resting: None,
            probe: None,
            held_until: Duration::ZERO,
            last_first: Seq(0),
            last_taken: Seq(0),
        }
    }

    pub(super) fn flying(&self) -> u32 {
        u32::try_from(self.flights.len()).expect("bounded by the senders")
    }

    /// It moved or was enabled.
    pub(super) fn renew(&mut self) {
        let flights = std::mem::take(&mut self.flights);
        *self = Self {
            last_first: self.last_first,
            ..Self::new(self.cap)
        };
        self.flights = flights;
        for flight in &mut self.flights {
            flight.is_old = true;
        }
    }

    /// Checks that an attempt may start, as far as it alone is concerned.
    pub(super) fn start(&mut self, seq: Seq, is_redelivery: bool, now: Duration) {
        if !is_redelivery {
            assert!(
                self.flying() < self.allowance,
                "{} in flight, {} allowed",
                self.flying(),
                self.allowance
            );
            assert!(now >= self.held_until, "started while Retry-After holds it");
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
        self.flights.push(Flight {
            seq,
            since: now,
            is_old: false,
        });
    }

    fn end(&mut self, seq: Seq) -> (Flight, bool) {
        let at = self.flights.iter().position(|flight| flight.seq == seq);
        let flight = self.flights.remove(at.expect("it was in flight"));
        let was_probe = self.probe == Some(seq);
        if was_probe {
            self.probe = None;
        }
        (flight, was_probe)
    }

    /// An attempt was not made after all.
    pub(super) fn abandon(&mut self, seq: Seq) {
        self.end(seq);
    }

    /// An attempt has become a second old.
    pub(super) fn grow_old(&mut self, seq: Seq, since: Duration) {
        let it = |flight: &Flight| flight.seq == seq && flight.since == since && !flight.is_old;
        if self.flights.iter().any(it) {
            self.class = Class::Bad;
        }
    }

    /// An attempt ended.
    pub(super) fn land(&mut self, seq: Seq, how: &Attempted, now: Duration) {
        let (flight, was_probe) = self.end(seq);
        if flight.is_old {
            return;
        }
        let slow = |flight: &Flight| !flight.is_old && flight.since + SECOND <= now;
        let slow_ones = self.flights.iter().any(slow);
        let succeeded = how.code.is_some_and(|code| (200..300).contains(&code));
        let is_good = succeeded && how.took <= SECOND && !slow_ones;
        self.class = if is_good { Class::Good } else { Class::Bad };
        if let Some(wait) = how.retry_after {
            let end = now + wait.min(Duration::from_hours(1));
            self.held_until = self.held_until.max(end);
        }
        if succeeded {
            self.allowance = (self.allowance + 1).min(self.cap);
            (self.failures, self.rests, self.resting) = (0, 0, None);
            self.probe = None;
            return;
        }
        let counts = how.code.is_none_or(|code| code == 429 || code >= 500);
        self.failures = if counts { self.failures + 1 } else { 0 };
        let to_one = how.error == Some(DeliveryError::Timeout) || self.failures >= 3;
        self.allowance = if to_one {
            1
        } else {
            (self.allowance / 2).max(1)
        };
        if (self.resting.is_none() && self.failures >= 3) || (self.resting.is_some() && was_probe) {
            self.resting = Some(now + RESTS[self.rests.min(4)]);
            self.rests += 1;
        }
    }
}
