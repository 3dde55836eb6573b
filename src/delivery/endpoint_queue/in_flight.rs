//! The attempts in flight to one endpoint.

use std::time::Duration;

use crate::storage::Seq;

/// An attempt in flight.
#[derive(Clone, Copy, Debug)]
pub(in crate::delivery) struct InFlightAttempt {
    seq: Seq,
    pub(in crate::delivery) started: Duration,
    /// The attempt is the probe after a rest.
    pub(in crate::delivery) probes: bool,
    /// The result counts for the endpoint's health, unless the endpoint got another URL or was enabled since.
    pub(in crate::delivery) counts: bool,
}

/// All attempts in flight, oldest first. There are a few dozen at most, so a linear search is the fastest.
#[derive(Debug, Default)]
pub(super) struct InFlight(Vec<InFlightAttempt>);

impl InFlight {
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn started(&mut self, seq: Seq, probes: bool, now: Duration) {
        self.0.push(InFlightAttempt {
            seq,
            started: now,
            probes,
            counts: true,
        });
    }

    pub(super) fn ended(&mut self, seq: Seq) -> Option<InFlightAttempt> {
        let at = self.0.iter().position(|attempt| attempt.seq == seq)?;
        Some(self.0.remove(at))
    }

    /// Returns when the oldest attempt that counts started.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let oldest = self.0.iter().find(|attempt| attempt.counts)?;
        Some(oldest.started)
    }

    /// Notes that the rest is over: no attempt in flight is a probe any more.
    pub(super) fn rest_ended(&mut self) {
        for attempt in &mut self.0 {
            attempt.probes = false;
        }
    }

    /// Notes that no attempt in flight counts for the endpoint's health any more.
    pub(super) fn reset(&mut self) {
        for attempt in &mut self.0 {
            (attempt.probes, attempt.counts) = (false, false);
        }
    }
}
