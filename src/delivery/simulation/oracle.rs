//! What must always hold. Each rule is checked where it could be broken; a breach panics.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::asker::Asker;
use super::reference_model::ReferenceModel;
use super::store::{Store, index_of, number_of};
use super::world::Simulation;
use crate::delivery::protocol::{AttemptReport, Now};
use crate::delivery::scheduler::Rules;
use crate::delivery::scheduler::audit::Sums;
use crate::delivery::scheduler::turns::Waiting;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::{CLOCK_STEP, Timestamp};
use crate::domain::event_state::EventState;
use crate::domain::health::Class;
use crate::storage::{AttemptRecord, Cause, EndpointNumber, Notice, QueuedEvent, Run, Seq};

/// Turns between looks at everything, which are slow.
const CHECK_EVERY: u32 = 32;

/// What is known of one life of the scheduler.
pub(super) struct Oracle {
    rules: Rules,
    models: Vec<ReferenceModel>,
    /// Handed out and not heard to be recorded.
    in_hand: HashSet<Seq>,
    /// Runs of redeliveries committed and not heard of, in order.
    unheard: VecDeque<(Seq, i64)>,
    /// The newest runs heard of, by number of the event.
    heard: Vec<i64>,
    /// Starts by time: an attempt makes its endpoint bad when it is a second old.
    ageing: VecDeque<(Duration, EndpointNumber, Seq)>,
    unrecorded: usize,
    turns: u32,
    reads: usize,
    /// The wall clock at its highest: a retry that was due may start after the clock was set back.
    pub(super) highest_wall: Timestamp,
    /// How far ahead of the monotonic clock the wall clock is, in microseconds, and when it was last set.
    steady: Option<(i64, Now)>,
    /// Runs that started an attempt when they were over, and the clock's last step before that.
    late: HashMap<(Seq, Run), Duration>,
}

impl Oracle {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            models: Vec::new(),
            in_hand: HashSet::new(),
            unheard: VecDeque::new(),
            heard: Vec::new(),
            ageing: VecDeque::new(),
            unrecorded: 0,
            turns: 0,
            reads: 0,
            highest_wall: Timestamp::default(),
            steady: None,
            late: HashMap::new(),
        }
    }

    fn model(&mut self, number: EndpointNumber) -> &mut ReferenceModel {
        let (index, cap) = (index_of(number), (self.rules.senders / 8).max(1));
        while self.models.len() <= index {
            self.models.push(ReferenceModel::new(cap));
        }
        &mut self.models[index]
    }

    /// An event began a new run.
    pub(super) fn redelivered(&mut self, seq: Seq, run: i64) {
        self.unheard.push_back((seq, run));
    }

    /// The scheduler is about to hear of a commit.
    pub(super) fn heard(&mut self, notice: &Notice) {
        match notice {
            Notice::Endpoint(target, Cause::Moved | Cause::Enabled) if target.enabled => {
                self.model(target.number).reset();
            }
            Notice::Redeliver { seq, .. } => {
                let (of, run) = self.unheard.pop_front().expect("committed before");
                assert_eq!(of, *seq, "notices keep the order of commits");
                let at = place(of);
                if self.heard.len() <= at {
                    self.heard.resize(at + 1, 0);
                }
                self.heard[at] = run;
            }
            Notice::Recorded(recorded) => {
                self.in_hand.remove(&recorded.seq);
                self.unrecorded -= 1;
            }
            _ => {}
        }
    }

    /// The scheduler is about to hear how an attempt went.
    pub(super) fn handle_report(&mut self, report: &AttemptReport, now: Now) {
        match report {
            AttemptReport::Skipped(event) => {
                self.in_hand.remove(&event.seq);
                self.model(event.endpoint).skip(event.seq);
            }
            AttemptReport::Made(event, how) => {
                self.unrecorded += 1;
                self.model(event.endpoint)
                    .end_attempt(event.seq, how, now.monotonic);
            }
        }
    }

    /// The scheduler has looked at the clocks.
    pub(super) fn ticked(&mut self, now: Now) {
        self.highest_wall = self.highest_wall.max(now.wall);
        self.look_at_clocks(now);
        let a_second = Duration::from_secs(1);
        while let Some((since, number, seq)) = self.ageing.front().copied()
            && since + a_second <= now.monotonic
        {
            self.ageing.pop_front();
            self.model(number).become_slow(seq, since);
        }
    }

    pub(super) fn asked(&mut self) {
        self.reads += 1;
    }

    /// A start was handed out. `before`: the sums before it; `class`: its endpoint's.
    pub(super) fn started(
        &mut self,
        event: &QueuedEvent,
        class: Class,
        before: &Sums,
        store: &Store,
        now: Now,
    ) {
        self.starts_once(event, store);
        self.starts_in_time(event, store, now);
        let is_first = event.run.0 == event.seq.0 && event.attempts == 0;
        let is_redelivery = event.run.0 != event.seq.0 && event.run_attempt == 0;
        let unrecorded = self.unrecorded;
        let (senders, limits) = (self.rules.senders, self.rules.limits);
        let model = self.model(event.endpoint);
        if is_first {
            let last = std::mem::replace(&mut model.last_first, event.seq);
            assert!(last < event.seq, "{:?} starts after {last:?}", event.seq);
        }
        assert_eq!(model.class, class, "class of {:?}", event.endpoint);
        let total = before.held.total();
        assert!(total < senders, "{total} attempts in flight");
        assert!(
            unrecorded + total as usize <= limits.unrecorded,
            "{unrecorded} outcomes are not on disk"
        );
        let asker = Asker {
            workspace: event.workspace,
            class,
            in_flight: model.in_flight(),
        };
        // Whoever only waits is about too, but this is certain.
        let crowded = (before.holders.iter()).any(|(number, _)| *number != event.workspace);
        let may = asker.may_start(senders, before, crowded);
        assert!(may, "{asker:?} started beside {before:?}");
        model.start(event.seq, is_redelivery, now.monotonic);
        self.ageing
            .push_back((now.monotonic, event.endpoint, event.seq));
    }

    /// A sender takes a start: first attempts of an endpoint in publish order, whether their bodies
    /// were at hand or had to be read.
    pub(super) fn taken(&mut self, event: &QueuedEvent) {
        if event.run.0 == event.seq.0 && event.attempts == 0 {
            let model = self.model(event.endpoint);
            let last = std::mem::replace(&mut model.last_taken, event.seq);
            assert!(last < event.seq, "{:?} overtakes {last:?}", event.seq);
        }
    }

    fn starts_once(&mut self, event: &QueuedEvent, store: &Store) {
        let seq = event.seq;
        assert!(self.in_hand.insert(seq), "{seq:?} is in hand already");
        let row = store.row(seq);
        assert!(
            !matches!(row.state, EventState::Succeeded | EventState::Failed),
            "{event:?} starts although it has ended: {row:?}"
        );
        let heard = self.heard.get(place(seq)).copied().unwrap_or_default();
        assert!(event.run.0 >= heard, "{event:?} starts in an older run");
        if event.run.0 == row.run && row.state != EventState::Skipped {
            assert_eq!(event.run_attempt, row.run_attempt, "{seq:?} is out of date");
            assert_eq!(event.attempts, row.attempts, "{seq:?} is out of date");
        }
    }

    fn starts_in_time(&mut self, event: &QueuedEvent, store: &Store, now: Now) {
        let row = store.row(event.seq);
        if event.run.0 == row.run && row.state == EventState::Retry {
            assert!(
                row.due <= self.highest_wall,
                "{:?} starts before it is due",
                event.seq
            );
        }
        // Drift may be taken for no step.
        let drift = Duration::from_secs(2);
        if now.wall.since(event.run_started) >= self.rules.retry.expire_after + drift {
            let steady = self.steady_since();
            let before = self.late.insert((event.seq, event.run), steady);
            assert!(
                before.is_none_or(|before| before < steady),
                "{:?} starts twice after its run is over",
                event.seq
            );
        }
    }

    /// The wall clock's last step, by the monotonic one.
    fn steady_since(&self) -> Duration {
        self.steady
            .map_or(Duration::ZERO, |(_, since)| since.monotonic)
    }

    fn look_at_clocks(&mut self, now: Now) {
        let goes = now.wall.micros() - i64::try_from(now.monotonic.as_micros()).unwrap();
        if self
            .steady
            .is_none_or(|(went, _)| u128::from(went.abs_diff(goes)) > CLOCK_STEP.as_micros())
        {
            self.steady = Some((goes, now));
        } else if let Some((went, _)) = &mut self.steady {
            *went = goes;
        }
    }

    /// A run ended while it waited: after an attempt, and not because the server was down or the clock set.
    pub(super) fn expired(&mut self, outcome: &AttemptRecord, now: Now) {
        let seq = outcome.event.seq;
        assert!(self.in_hand.insert(seq), "{seq:?} is in hand already");
        self.unrecorded += 1;
        assert_eq!(outcome.error, Some(AttemptFailure::Expired));
        assert!(
            now.wall.since(outcome.event.run_started) >= self.rules.retry.expire_after,
            "{seq:?} expires too early"
        );
        assert!(outcome.event.run_attempt > 0, "{seq:?} was never attempted");
        let (_, since) = self.steady.expect("it has looked at the clocks");
        assert!(
            since.wall.since(outcome.event.run_started) <= self.rules.retry.expire_after,
            "{seq:?} was over before the clock's last step"
        );
    }

    /// Whether it is time to look at everything.
    pub(super) fn is_check_due(&mut self) -> bool {
        self.turns += 1;
        self.turns.is_multiple_of(CHECK_EVERY)
    }
}

fn place(seq: Seq) -> usize {
    usize::try_from(seq.0).expect("numbers are positive")
}

impl Simulation {
    /// Looks at everything, after a turn of the dispatcher.
    pub(super) fn check(&mut self, now: Now) {
        let sums = self.scheduler.sums();
        assert_eq!(sums, self.scheduler.recount(), "the sums are wrong");
        let limits = self.settings.limits;
        let held = self.scheduler.held();
        let most = limits.windows + held.len() * 3 * limits.least;
        let Waiting { windows, bodies } = sums.waiting;
        assert!(windows <= most, "{windows} in all windows");
        assert!(bodies <= limits.bodies, "{bodies} of bodies");
        assert_eq!(self.scheduler.unrecorded(), self.oracle.unrecorded);
        for number in held {
            self.check_window(number);
            self.check_liveness(number, &sums, now);
            if self.is_all_heard() {
                self.check_nothing_forgotten(number, now);
            }
        }
    }

    fn check_window(&mut self, number: EndpointNumber) {
        let queue = self.scheduler.queue(number).expect("it is held");
        let limits = self.settings.limits;
        assert!(
            queue.loaded() <= queue.committed() || !queue.target.current().enabled,
            "more is loaded than committed"
        );
        let [window, retries, redeliveries] = queue.lengths();
        assert!(window <= limits.window, "{window} in a window");
        assert!(retries <= limits.retries + limits.retries_below);
        assert!(
            redeliveries <= limits.retries,
            "{redeliveries} redeliveries"
        );
        let (mut own, mut last) = (0, Seq(0));
        for (at, event) in queue.waiting_events().enumerate() {
            assert!(queue.holds(event.seq), "{event:?} waits and is not in hand");
            assert!(
                !self.oracle.in_hand.contains(&event.seq),
                "{event:?} is out"
            );
            if at < window {
                assert!(last < event.seq, "a window out of order");
                assert!(event.seq <= queue.loaded(), "{event:?} is not loaded");
                last = event.seq;
            }
            own += 1;
        }
        assert_eq!(own, window + retries + redeliveries);
        let model_in_flight = self.oracle.model(number).in_flight();
        let queue = self.scheduler.queue(number).expect("it is held");
        assert_eq!(queue.in_flight(), model_in_flight);
        assert!(queue.in_hand() >= own + model_in_flight as usize);
    }

    /// What may start has started.
    fn check_liveness(&mut self, number: EndpointNumber, sums: &Sums, now: Now) {
        let queue = self.scheduler.queue(number).expect("it is held");
        let limit = self.settings.limits.unrecorded;
        let senders = self.settings.senders;
        let total = sums.held.total();
        let full = total >= senders || self.scheduler.unrecorded() + total as usize >= limit;
        if full || !queue.is_ready(now.monotonic) {
            return;
        }
        let asker = Asker {
            workspace: queue.workspace,
            class: queue.health.class(),
            in_flight: queue.in_flight(),
        };
        // Nothing is kept from it that is not if others are about.
        let may = asker.may_start(senders, sums, true);
        assert!(!may, "{asker:?} is passed over beside {sums:?}");
    }

    /// What an enabled endpoint has to do is in memory or being read.
    fn check_nothing_forgotten(&self, number: EndpointNumber, now: Now) {
        let queue = self.scheduler.queue(number).expect("it is held");
        let stored = &self.store.endpoints[index_of(number)];
        if !stored.target.enabled || queue.in_hand() > 0 || queue.reads() {
            return;
        }
        let skipped = stored.target.skip_through;
        let is_live = |seq: &i64| self.store.row(Seq(*seq)).run > skipped.0;
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

    /// Whether every event has reached a final state; looks at all.
    pub(super) fn is_all_final(&self) -> bool {
        let mut endpoints = self.store.endpoints.iter();
        endpoints
            .all(|it| it.fresh.is_empty() && it.retries.is_empty() && it.redeliveries.is_empty())
    }

    /// At the end nothing is left: not in the store, not in the scheduler.
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
        for number in self.scheduler.held() {
            let queue = self.scheduler.queue(number).expect("it is held");
            assert_eq!(queue.in_hand(), 0, "{number:?} holds something for ever");
            assert!(
                self.store.endpoints[index_of(number)].target.enabled,
                "{number:?} is disabled and was not dropped"
            );
        }
    }
}
