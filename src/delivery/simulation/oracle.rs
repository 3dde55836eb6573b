//! The invariants of the engine. Each is checked where it could be broken; a breach panics.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::reference_model::ReferenceModel;
use super::start_rule::Candidate;
use super::store::{Store, index_of};
use crate::delivery::mailbox::Messages;
use crate::delivery::protocol::{AttemptReport, Now};
use crate::delivery::scheduler::Rules;
use crate::delivery::scheduler::audit::Sums;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::{CLOCK_STEP, Timestamp};
use crate::domain::event_state::EventState;
use crate::domain::health::Class;
use crate::storage::{
    AttemptRecord, EndpointChange, EndpointNumber, Notice, QueuedEvent, Run, Seq, StoredTarget,
};

/// Rounds between two checks of the whole state, which are slow.
const CHECK_EVERY: u32 = 32;

/// The oracle's knowledge of one process of the server.
pub(super) struct Oracle {
    rules: Rules,
    models: Vec<ReferenceModel>,
    /// Events that were handed out and whose record's notice the scheduler has not handled.
    pub(super) in_hand: HashSet<Seq>,
    /// Runs of redeliveries that are committed and whose notices the scheduler has not handled, in order.
    pending_redeliveries: VecDeque<(Seq, i64)>,
    /// The newest runs of redeliveries whose notices the scheduler has handled, by number of the event.
    handled_redeliveries: Vec<i64>,
    /// Starts, in the order of time: an attempt makes its endpoint bad when it is a second old.
    ageing: VecDeque<(Duration, EndpointNumber, Seq)>,
    pub(super) unrecorded: usize,
    rounds: u32,
    /// The highest reading of the wall clock: a retry that was due may start after the clock was set back.
    pub(super) highest_wall: Timestamp,
    /// The wall clock's lead over the monotonic clock, in microseconds, and when the wall clock was last set.
    steady: Option<(i64, Now)>,
    /// Runs that started an attempt after their end, and when the wall clock was last set before that.
    late: HashMap<(Seq, Run), Duration>,
}

impl Oracle {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            models: Vec::new(),
            in_hand: HashSet::new(),
            pending_redeliveries: VecDeque::new(),
            handled_redeliveries: Vec::new(),
            ageing: VecDeque::new(),
            unrecorded: 0,
            rounds: 0,
            highest_wall: Timestamp::default(),
            steady: None,
            late: HashMap::new(),
        }
    }

    pub(super) fn model(&mut self, number: EndpointNumber) -> &mut ReferenceModel {
        let (index, cap) = (index_of(number), (self.rules.senders / 8).max(1));
        while self.models.len() <= index {
            self.models.push(ReferenceModel::new(cap));
        }
        &mut self.models[index]
    }

    /// Notes an endpoint that the scheduler resumes.
    pub(super) fn resume(&mut self, stored: &StoredTarget, now: Now) {
        let model = self.model(stored.target.number);
        model.resume(stored.rest, now);
        model.terms.change(&stored.target);
    }

    /// Checks what the records of a round tell the store of rests: the last one of each endpoint, since the models
    /// have seen all reports of the round.
    pub(super) fn check_notes(&mut self, records: &[AttemptRecord], now: Now) {
        let mut seen = HashSet::new();
        for record in records.iter().rev() {
            if let Some(note) = record.rest
                && seen.insert(record.event.endpoint)
            {
                self.model(record.event.endpoint).check_note(note.rest, now);
            }
        }
    }

    /// Notes that an event began a new run, or that it was skipped and starts in no run before `run`.
    pub(super) fn redelivered(&mut self, seq: Seq, run: i64) {
        self.pending_redeliveries.push_back((seq, run));
    }

    /// Notes the messages that the scheduler is about to handle.
    pub(super) fn note_messages(&mut self, messages: &Messages, now: Now) {
        self.look_at_clocks(now);
        for notice in &messages.notices {
            self.note_notice(notice);
        }
        for report in &messages.reports {
            self.note_report(report, now);
        }
    }

    fn note_notice(&mut self, notice: &Notice) {
        if let Notice::Endpoint(target, _) = notice
            && self.model(target.number).terms.change(target)
        {
            // Another policy has another end of a run.
            self.late.clear();
        }
        match notice {
            Notice::Endpoint(target, EndpointChange::Moved | EndpointChange::Enabled)
                if target.enabled =>
            {
                self.model(target.number).reset();
            }
            Notice::Redeliver { seq, .. }
            | Notice::LetGo { seq, .. }
            | Notice::Skipped { seq, .. } => {
                let next = self.pending_redeliveries.pop_front();
                let (of, run) = next.expect("committed before");
                assert_eq!(of, *seq, "notices keep the order of commits");
                let at = seq_index(of);
                if self.handled_redeliveries.len() <= at {
                    self.handled_redeliveries.resize(at + 1, 0);
                }
                self.handled_redeliveries[at] = run;
            }
            Notice::Recorded(recorded) => {
                self.in_hand.remove(&recorded.seq);
                self.unrecorded -= 1;
            }
            _ => {}
        }
    }

    fn note_report(&mut self, report: &AttemptReport, now: Now) {
        match report {
            AttemptReport::Skipped(event) => {
                self.in_hand.remove(&event.seq);
                self.model(event.endpoint).skip(event.seq);
            }
            AttemptReport::GivenBack(event) => {
                self.in_hand.remove(&event.seq);
                self.model(event.endpoint).give_back(event.seq);
            }
            AttemptReport::Made(event, how) => {
                self.unrecorded += 1;
                let server = self.rules.retry.clone();
                let model = self.model(event.endpoint);
                let waits = model.terms.retry(&server).waits;
                model.end_attempt(event.seq, how, &waits, now.monotonic);
            }
        }
    }

    /// Notes that the scheduler has looked at the clocks.
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

    /// Checks that an attempt may start. `before`: the sums before it. `class`: the class of its endpoint.
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
        let is_new_run = event.run.0 != event.seq.0 && event.run_attempt == 0;
        // What a job lets go waits for a rest, as retries do.
        let is_redelivery = is_new_run && !store.is_job_run(event.run);
        let unrecorded = self.unrecorded;
        let (senders, limits) = (self.rules.senders, self.rules.limits);
        let model = self.model(event.endpoint);
        if is_first && !model.given_back.contains(&event.seq) {
            let last = std::mem::replace(&mut model.last_first, event.seq);
            assert!(last < event.seq, "{:?} starts after {last:?}", event.seq);
        }
        assert_eq!(model.class, class, "class of {:?}", event.endpoint);
        let total = before.in_flight.total();
        assert!(total < senders, "{total} attempts in flight");
        assert!(
            unrecorded + total as usize <= limits.unrecorded,
            "{unrecorded} attempts are not recorded"
        );
        let candidate = Candidate {
            workspace: event.workspace,
            class,
            in_flight: model.in_flight(),
        };
        // A workspace that only waits counts too, but the sums do not show it.
        let crowded = (before.by_workspace.iter()).any(|(number, _)| *number != event.workspace);
        let may = candidate.may_start(senders, before, crowded);
        assert!(may, "{candidate:?} started beside {before:?}");
        model.start(event.seq, is_redelivery, now.monotonic);
        self.ageing
            .push_back((now.monotonic, event.endpoint, event.seq));
    }

    /// Checks that senders take first attempts of an endpoint in publish order, also where their bodies had
    /// to be read.
    pub(super) fn taken(&mut self, event: &QueuedEvent) {
        if event.run.0 == event.seq.0 && event.attempts == 0 {
            let model = self.model(event.endpoint);
            if model.given_back.contains(&event.seq) {
                return;
            }
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
        let handled = self.handled_redeliveries.get(seq_index(seq)).copied();
        assert!(
            event.run.0 >= handled.unwrap_or_default(),
            "{event:?} starts in an older run"
        );
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
        // The scheduler may see drift where there was a small step.
        let drift = Duration::from_secs(2);
        if self.age(event, now.wall) >= self.expire_after(event) + drift {
            let steady = self.steady_since();
            let before = self.late.insert((event.seq, event.run), steady);
            assert!(
                before.is_none_or(|before| before < steady),
                "{:?} starts twice after its run is over",
                event.seq
            );
        }
    }

    /// Returns the age of an event's run at a time.
    fn age(&mut self, event: &QueuedEvent, at: Timestamp) -> Duration {
        self.model(event.endpoint).terms.age(event.run_started, at)
    }

    /// Returns the longest time of an event's run.
    fn expire_after(&mut self, event: &QueuedEvent) -> Duration {
        let server = self.rules.retry.clone();
        self.model(event.endpoint).terms.retry(&server).expire_after
    }

    /// Returns when the wall clock was last set, by the monotonic clock.
    fn steady_since(&self) -> Duration {
        self.steady
            .map_or(Duration::ZERO, |(_, since)| since.monotonic)
    }

    fn look_at_clocks(&mut self, now: Now) {
        let lead = now.wall.micros() - i64::try_from(now.monotonic.as_micros()).unwrap();
        let last = self.steady.map_or(lead, |(last, _)| last);
        let forward = Duration::from_micros(u64::try_from(lead - last).unwrap_or(0));
        if forward > CLOCK_STEP {
            for model in &mut self.models {
                model.advance(forward);
            }
        }
        if self
            .steady
            .is_none_or(|(last, _)| u128::from(last.abs_diff(lead)) > CLOCK_STEP.as_micros())
        {
            self.steady = Some((lead, now));
        } else if let Some((last, _)) = &mut self.steady {
            *last = lead;
        }
    }

    /// Checks a run whose time was up while it waited: it had an attempt, and its time is not up only because
    /// the server was down or the clock was set.
    pub(super) fn expired(&mut self, record: &AttemptRecord, now: Now) {
        let seq = record.event.seq;
        assert!(self.in_hand.insert(seq), "{seq:?} is in hand already");
        self.unrecorded += 1;
        assert_eq!(record.error, Some(AttemptFailure::Expired));
        let expire_after = self.expire_after(&record.event);
        assert!(
            self.age(&record.event, now.wall) >= expire_after,
            "{seq:?} expires too early"
        );
        assert!(record.event.run_attempt > 0, "{seq:?} was never attempted");
        let (_, since) = self.steady.expect("it has looked at the clocks");
        assert!(
            self.age(&record.event, since.wall) <= expire_after,
            "{seq:?} was over before the clock's last step"
        );
    }

    /// Reports whether it is time to check the whole state.
    pub(super) fn is_check_due(&mut self) -> bool {
        self.rounds += 1;
        self.rounds.is_multiple_of(CHECK_EVERY)
    }
}

fn seq_index(seq: Seq) -> usize {
    usize::try_from(seq.0).expect("numbers are positive")
}
