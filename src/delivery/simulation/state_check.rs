//! Checks of the whole state: that the scheduler's sums and the waiting events are right, and that no
//! event is forgotten.

use super::start_rule::Candidate;
use super::store::{index_of, number_of};
use super::world::Simulation;
use crate::delivery::protocol::Now;
use crate::delivery::scheduler::audit::Sums;
use crate::delivery::scheduler::turns::MemoryUse;
use crate::storage::{EndpointNumber, Seq};

impl Simulation {
    /// Checks the whole state, after a round of the dispatcher.
    pub(super) fn check(&mut self, now: Now) {
        let sums = self.scheduler.sums();
        assert_eq!(sums, self.scheduler.recount(), "the sums are wrong");
        let resting = self.scheduler.recounted_resting();
        assert_eq!(self.scheduler.resting(), resting);
        let limits = self.settings.limits;
        let numbers = self.scheduler.endpoint_numbers();
        let most = limits.waiting_events + numbers.len() * 3 * limits.min_rows;
        let MemoryUse { events, body_bytes } = sums.memory_use;
        assert!(events <= most, "{events} events in memory");
        assert!(body_bytes <= limits.body_bytes, "{body_bytes} of bodies");
        assert_eq!(self.scheduler.unrecorded(), self.oracle.unrecorded);
        for number in numbers {
            self.check_waiting_events(number);
            self.check_liveness(number, &sums, now);
            if self.are_all_notices_handled() {
                self.check_nothing_forgotten(number, now);
            }
        }
    }

    fn check_waiting_events(&mut self, number: EndpointNumber) {
        let queue = self.scheduler.queue(number).expect("it is known");
        let limits = self.settings.limits;
        assert!(
            queue.seen_through() <= queue.committed() || !queue.target.current().enabled,
            "more was seen than committed"
        );
        let [fresh, retries, of_jobs, redeliveries] = queue.lengths();
        assert!(fresh <= limits.fresh_per_endpoint, "{fresh} fresh events");
        assert!(retries <= limits.retry_rows + limits.retries_below);
        assert!(
            redeliveries <= limits.retry_rows,
            "{redeliveries} redeliveries"
        );
        let (mut own, mut last) = (0, Seq(0));
        for (at, event) in queue.waiting_events().enumerate() {
            assert!(
                queue.is_in_hand(event.seq),
                "{event:?} waits and is not in hand"
            );
            assert!(
                !self.oracle.in_hand.contains(&event.seq),
                "{event:?} is out"
            );
            if at < fresh {
                assert!(last < event.seq, "fresh events out of order");
                assert!(event.seq <= queue.seen_through(), "{event:?} was not seen");
                last = event.seq;
            }
            own += 1;
        }
        assert_eq!(own, fresh + retries + of_jobs + redeliveries);
        let model_in_flight = self.oracle.model(number).in_flight();
        let queue = self.scheduler.queue(number).expect("it is known");
        assert_eq!(queue.in_flight(), model_in_flight);
        assert!(queue.in_hand() >= own + model_in_flight as usize);
    }

    /// Checks that the scheduler did not pass over an endpoint: if it is ready, it may not start.
    fn check_liveness(&mut self, number: EndpointNumber, sums: &Sums, now: Now) {
        let queue = self.scheduler.queue(number).expect("it is known");
        let limit = self.settings.limits.unrecorded;
        let senders = self.settings.senders;
        let total = sums.in_flight.total();
        let full = total >= senders || self.scheduler.unrecorded() + total as usize >= limit;
        if full || !queue.is_ready(now.monotonic) {
            return;
        }
        let candidate = Candidate {
            workspace: queue.workspace,
            class: queue.health.class(),
            in_flight: queue.in_flight(),
        };
        // The stricter rule, for when other workspaces are active.
        let may = candidate.may_start(senders, sums, true);
        assert!(!may, "{candidate:?} is passed over beside {sums:?}");
    }

    /// Checks that the events of an enabled endpoint are in memory or being read.
    fn check_nothing_forgotten(&self, number: EndpointNumber, now: Now) {
        let queue = self.scheduler.queue(number).expect("it is known");
        let stored = &self.store.endpoints[index_of(number)];
        let waits = !stored.target.enabled || stored.target.paused;
        if waits || queue.in_hand() > 0 || queue.is_reading() {
            return;
        }
        let skip_through = stored.target.skip_through;
        let is_live = |seq: &i64| self.store.row(Seq(*seq)).run > skip_through.0;
        let fresh = stored.fresh.iter().any(is_live);
        let redelivery = stored.redeliveries.iter().any(is_live);
        let mut due = stored
            .retries
            .iter()
            .take_while(|(due, _)| *due <= now.wall);
        assert!(!fresh, "fresh events of {number:?} are forgotten");
        assert!(!redelivery, "redeliveries of {number:?} are forgotten");
        assert!(
            !due.any(|(_, seq)| is_live(seq)),
            "retries of {number:?} are forgotten at {now:?}: {:?}, {:?}",
            stored.retries,
            queue.next_due()
        );
    }

    /// Reports whether every event has reached a final state.
    pub(super) fn is_all_final(&self) -> bool {
        let mut endpoints = self.store.endpoints.iter();
        endpoints
            .all(|it| it.fresh.is_empty() && it.retries.is_empty() && it.redeliveries.is_empty())
    }

    /// Checks that at the end nothing is left, neither in the store nor in the scheduler.
    pub(super) fn check_end(&mut self) {
        for (index, stored) in self.store.endpoints.iter().enumerate() {
            let left = [
                stored.fresh.len(),
                stored.retries.len(),
                stored.redeliveries.len(),
            ];
            assert_eq!(left, [0; 3], "events of {:?} are stuck", number_of(index));
        }
        let now = self.now();
        self.check(now);
        assert_eq!(self.scheduler.sums(), Sums::default());
        assert_eq!(self.scheduler.unrecorded(), 0);
        for number in self.scheduler.endpoint_numbers() {
            let queue = self.scheduler.queue(number).expect("it is known");
            assert_eq!(
                queue.in_hand(),
                0,
                "{number:?} has something in hand for ever"
            );
            assert!(
                self.store.endpoints[index_of(number)].target.enabled,
                "{number:?} is disabled and was not dropped"
            );
        }
    }
}
