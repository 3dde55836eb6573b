//! The policy and the pause of an endpoint, in its queue.

use std::time::Duration;

use super::terms::Terms;
use super::{EndpointQueue, InFlightAttempt, Read};
use crate::domain::attempt_rate::AttemptRate;
use crate::domain::clock::Timestamp;
use crate::domain::health::EndedAttempt;
use crate::domain::retry::RetryPolicy;
use crate::storage::{Seq, Target};

impl EndpointQueue {
    /// Takes over the settings of the endpoint. At the begin of a pause, what waits leaves the memory; it is read again
    /// when the pause is over.
    pub(in crate::delivery) fn adopt(&mut self, target: &Target, server: &RetryPolicy) {
        let was_paused = self.terms.is_paused;
        self.terms = Terms::of(target, &self.terms, server);
        if self.terms.is_paused && !was_paused {
            self.forget_all_waiting();
        }
    }

    /// Reports whether no attempt may start until a pause is over.
    pub(in crate::delivery) fn is_paused(&self) -> bool {
        self.terms.is_paused
    }

    /// Returns the retry policy of the endpoint; `server` is that of all others.
    pub(in crate::delivery) fn retry<'a>(&'a self, server: &'a RetryPolicy) -> &'a RetryPolicy {
        self.terms.retry.as_deref().unwrap_or(server)
    }

    /// Notes the end of an attempt for the health of the endpoint. `server`: the retry policy of endpoints without their
    /// own. `random` is uniform in 0..1.
    pub(in crate::delivery) fn finished(
        &mut self,
        attempt: EndedAttempt,
        server: &RetryPolicy,
        now: Duration,
        random: f64,
    ) {
        let retry = self.terms.retry.as_deref().unwrap_or(server);
        self.health.finished(attempt, retry, now, random);
    }

    /// Returns the time from which on the time of a run counts: not before the end of the last pause.
    pub(in crate::delivery) fn counts_from(&self, run_started: Timestamp) -> Timestamp {
        run_started.max(self.terms.resumed_at.unwrap_or(run_started))
    }

    /// Returns the most attempts that may be in flight at the same time, redeliveries by hand among them.
    pub(super) fn most_in_flight(&self) -> u32 {
        self.terms.max_concurrency.unwrap_or(u32::MAX)
    }

    /// Reports whether the pause and the rate let an attempt start.
    pub(super) fn terms_allow(&self, now: Duration) -> bool {
        !self.terms.is_paused && self.terms.rate.is_none_or(|rate| rate.opens_at() <= now)
    }

    /// Returns the time at which a waiting event may start, as far as time alone decides. `None` if it may start now, or
    /// if something else must happen first.
    pub(in crate::delivery) fn wakes_at(&self, now: Duration) -> Option<Duration> {
        if self.terms.is_paused {
            return None;
        }
        let rate = self.terms.rate.map(AttemptRate::opens_at);
        let rate = rate.filter(|opens| *opens > now);
        let usual = match self.health.wakes_at(now) {
            Some(at) => Some(at.max(rate.unwrap_or_default())),
            None => rate.filter(|_| self.health.may_start(now)),
        };
        let of_redelivery = rate.filter(|_| !self.redeliveries.is_empty());
        [usual, of_redelivery].into_iter().flatten().min()
    }

    /// Removes all waiting events from memory, and requests all reads again. What the running reads bring is ignored: they
    /// may have begun above an event that is to be read again.
    fn forget_all_waiting(&mut self) {
        for queue in [
            &mut self.fresh,
            &mut self.retries,
            &mut self.of_jobs,
            &mut self.redeliveries,
        ] {
            for event in queue.drain(..) {
                self.in_hand.remove(&event.seq);
            }
        }
        self.bytes = 0;
        for (read, is_running) in self.running_reads().into_iter().enumerate() {
            self.ignored[read] |= is_running;
        }
        self.seen_through = Seq(0);
        self.refill_wanted = true;
        self.redeliveries_wanted = true;
        self.next_due = Some(Timestamp::default());
    }

    /// Handles an event that was handed out and that the sender gave back, because a pause began: it is read again, with
    /// the state that it has on disk by then. So are those that wait, so that none of them overtakes it.
    pub(in crate::delivery) fn given_back(
        &mut self,
        seq: Seq,
        now: Duration,
    ) -> Option<InFlightAttempt> {
        let attempt = self.ended_without_attempt(seq, now);
        self.in_hand.remove(&seq);
        self.blocked.remove(&seq);
        self.forget_all_waiting();
        attempt
    }

    /// Reports whether the result of a read that has ended is to be ignored, and requests the read again in that case.
    pub(super) fn ignores(&mut self, read: Read) -> bool {
        let ignores = std::mem::take(&mut self.ignored[read as usize]);
        if ignores {
            self.read_failed(read);
        }
        ignores
    }
}
