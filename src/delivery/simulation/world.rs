//! The simulated world around a scheduler: clocks, store, receivers, and threads that take their time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::disruption::Disruption;
use super::event_queue::{EventQueue, SimEvent};
use super::oracle::Oracle;
use super::random::Random;
use super::receiver::Behaviour;
use super::settings::Settings;
use super::store::{Store, index_of};
use crate::delivery::mailbox::Messages;
use crate::delivery::protocol::{AttemptJob, AttemptReport, Now, ReadRequest, ReadResult};
use crate::delivery::round::{self, Command};
use crate::delivery::scheduler::Scheduler;
use crate::delivery::scheduler::audit::Sums;
use crate::delivery::target::{LiveTargets, NotAdmitted};
use crate::domain::clock::Timestamp;
use crate::storage::{AttemptRecord, EventBody, Notice};

/// A running simulation.
pub(super) struct Simulation {
    pub(super) settings: Settings,
    pub(super) random: Random,
    /// The monotonic clock.
    pub(super) time: Duration,
    /// The wall clock at monotonic zero, as if it had never been set since.
    pub(super) wall_start: Timestamp,
    pub(super) store: Store,
    pub(super) receivers: Vec<Behaviour>,
    /// The number of workspaces that the endpoints are spread over.
    pub(super) workspaces: usize,
    pub(super) oracle: Oracle,
    pub(super) scheduler: Scheduler,
    live: Arc<LiveTargets>,
    events: EventQueue,
    /// The number of the server's process. Events of an earlier process are ignored.
    process_number: u32,
    messages: Messages,
    /// The time when the dispatcher wakes.
    wake_at: Option<Duration>,
    /// The time when the dispatcher has finished its round.
    busy_until: Duration,
    /// The time when a sender takes the last of the jobs that wait for one.
    last_job_taken_at: Duration,
    unwritten: VecDeque<AttemptRecord>,
    /// The disk is full, and nothing is written before this time.
    pub(super) disk_full_until: Duration,
    /// The number of endpoints, from the first on, whose `waits` are measured.
    pub(super) watched: usize,
    /// The waits of fresh events for the start of their first attempts.
    pub(super) waits: Vec<Duration>,
    pub(super) starts: usize,
    /// The faults have ended: no further one happens.
    pub(super) faults_stopped: bool,
    pub(super) trace: Option<VecDeque<String>>,
}

impl Simulation {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        let live = Arc::new(LiveTargets::default());
        let rules = settings.rules();
        Self {
            random: Random::new(seed),
            time: Duration::from_secs(1),
            wall_start: Timestamp::from_micros(1_700_000_000_000_000),
            store: Store::new(settings.disable_after),
            receivers: Vec::new(),
            workspaces: 1,
            oracle: Oracle::new(rules.clone()),
            scheduler: Scheduler::new(rules, live.clone(), dice(seed)),
            live,
            events: EventQueue::default(),
            process_number: 0,
            messages: Messages::default(),
            wake_at: None,
            busy_until: Duration::ZERO,
            last_job_taken_at: Duration::ZERO,
            unwritten: VecDeque::new(),
            disk_full_until: Duration::ZERO,
            watched: 0,
            waits: Vec::new(),
            starts: 0,
            faults_stopped: false,
            trace: None,
            settings,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            wall: self.wall_start.after(self.time),
            monotonic: self.time,
        }
    }

    fn put(&mut self, after: Duration, event: SimEvent) {
        self.events.put(self.time + after, event);
    }

    /// Schedules a disruption.
    pub(super) fn schedule(&mut self, after: Duration, disruption: Disruption) {
        self.put(after, SimEvent::Disruption(disruption));
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let time = self.time;
        if let Some(trace) = &mut self.trace {
            if trace.len() == 1000 {
                trace.pop_front();
            }
            trace.push_back(format!("{:.6} {}", time.as_secs_f64(), line()));
        }
    }

    /// Returns a random time around `usual`; seldom, one that is a hundred times longer.
    pub(super) fn take_time(&mut self, usual: Duration) -> Duration {
        let factor = 0.5 + self.random.unit();
        if self.random.chance(self.settings.pace.hiccups) {
            usual.mul_f64(factor * 100.0)
        } else {
            usual.mul_f64(factor)
        }
    }

    /// Simulates everything that happens until `end`.
    pub(super) fn run(&mut self, end: Duration) {
        while let Some((at, event)) = self.events.next(end) {
            self.time = at;
            self.happen(event);
            self.check_wake();
        }
        self.time = self.time.max(end);
    }

    fn happen(&mut self, event: SimEvent) {
        let process_number = self.process_number;
        match event {
            SimEvent::Wake if self.wake_at == Some(self.time) => self.round(),
            SimEvent::Write(of) if of == process_number => self.write(),
            SimEvent::Read(of, request) if of == process_number => self.read(request),
            SimEvent::ReadEnds(of, result) if of == process_number => {
                self.deliver(|messages| messages.reads.push(result));
            }
            SimEvent::Load(of, job) if of == process_number => self.load(job),
            SimEvent::TakeJob(of, job) if of == process_number => self.take_job(job),
            SimEvent::AttemptEnds(of, report) if of == process_number => {
                self.deliver(|messages| messages.reports.push(report));
            }
            SimEvent::Disruption(disruption) => self.disrupt(disruption),
            _ => {}
        }
    }

    /// Puts messages into the dispatcher's mailbox, and wakes the dispatcher if they are the first ones.
    pub(super) fn deliver(&mut self, put: impl FnOnce(&mut Messages)) {
        if self.messages.put(put) {
            let after = self.take_time(self.settings.pace.wake);
            self.wake_by((self.time + after).max(self.busy_until));
        }
    }

    /// Checks that messages which wait wake the dispatcher soon: 150 is the largest factor of `take_time`.
    fn check_wake(&self) {
        let latest = self.time.max(self.busy_until) + self.settings.pace.wake * 150;
        let wakes = self.wake_at.is_some_and(|at| at <= latest);
        assert!(
            self.messages.is_empty() || wakes,
            "messages wait, and nothing wakes the dispatcher"
        );
    }

    /// Makes the dispatcher look at the clocks.
    pub(super) fn wake(&mut self) {
        self.deliver(Messages::wake);
    }

    fn wake_by(&mut self, at: Duration) {
        if self.wake_at.is_none_or(|earlier| at < earlier) {
            self.wake_at = Some(at);
            self.put(at.checked_sub(self.time).unwrap(), SimEvent::Wake);
        }
    }

    /// Simulates a commit: changes of endpoints take effect at once, and the dispatcher gets the notices.
    pub(super) fn commit(&mut self, notices: Vec<Notice>) {
        for notice in &notices {
            self.note(|| format!("commit {notice:?}"));
            if let Notice::Endpoint(target, _) = notice {
                let sweep = Disruption::Sweep(index_of(target.number));
                self.schedule(Duration::from_millis(1), sweep);
            }
        }
        self.live.apply(&notices);
        let published_max = self.settings.published_max;
        self.deliver(|messages| messages.add(notices, published_max));
    }

    /// Simulates a round of the dispatcher.
    fn round(&mut self) {
        self.wake_at = None;
        let messages = self.take_messages();
        let now = self.now();
        let mut done = messages.notices.len() + messages.reads.len() + messages.reports.len();
        self.oracle.note_messages(&messages, now);
        let records = round::handle_messages(&mut self.scheduler, messages, now);
        self.oracle.check_notes(&records, now);
        for record in records {
            self.record(record);
        }
        self.scheduler.tick(now);
        self.oracle.ticked(now);
        done += self.carry_out_commands(now);
        self.busy_until = self.time + self.settings.pace.work * u32::try_from(done).unwrap_or(1);
        if self.oracle.is_check_due() {
            self.check(now);
        }
        let wake = self.scheduler.next_wake();
        assert!(wake > self.time, "the scheduler never sleeps");
        self.wake_by(wake.max(self.busy_until));
    }

    /// Takes the messages. Seldom, the last notices stay behind although a read has seen their commits.
    fn take_messages(&mut self) -> Messages {
        let mut messages = std::mem::take(&mut self.messages);
        if !messages.notices.is_empty() && self.random.chance(self.settings.pace.hiccups) {
            let handled = self.random.below(messages.notices.len());
            let notices = messages.notices.split_off(handled);
            let overflow = std::mem::take(&mut messages.overflow);
            self.deliver(|late| (late.notices, late.overflow) = (notices, overflow));
        }
        messages
    }

    /// Carries out all commands of a round; returns how many there were.
    fn carry_out_commands(&mut self, now: Now) -> usize {
        let mut done = 0;
        let mut before = self.scheduler.sums();
        while let Some(command) = round::next_command(&mut self.scheduler, now) {
            done += 1;
            match command {
                Command::Send(job) => {
                    before = self.check_start(&job, &before, now);
                    self.send(job);
                }
                Command::LoadAndSend(job) => {
                    before = self.check_start(&job, &before, now);
                    let after = self.take_time(self.settings.pace.read);
                    self.put(after, SimEvent::Load(self.process_number, job));
                }
                Command::Record(record) => {
                    self.note(|| format!("expired {:?}", record.event.seq));
                    self.oracle.expired(&record, now);
                    self.record(record);
                }
                Command::Read(_, request) => self.start_read(request),
            }
        }
        done
    }

    /// Checks that an attempt may start, given the sums `before` it; returns the sums after it.
    fn check_start(&mut self, job: &AttemptJob, before: &Sums, now: Now) -> Sums {
        let event = &job.event;
        self.note(|| format!("start {event:?}"));
        let queue = self.scheduler.queue(event.endpoint);
        let class = queue.expect("it has work").health.class();
        self.oracle.started(event, class, before, &self.store, now);
        if index_of(event.endpoint) < self.watched {
            self.waits.push(now.wall.since(event.run_started));
        }
        self.scheduler.sums()
    }

    fn start_read(&mut self, request: ReadRequest) {
        self.note(|| format!("read {request:?}"));
        let after = self.take_time(self.settings.pace.read);
        self.put(after, SimEvent::Read(self.process_number, request));
        self.race(request);
    }

    fn read(&mut self, request: ReadRequest) {
        let mut result = self.store.read(request);
        if self.random.chance(self.settings.pace.read_failures) {
            match &mut result {
                ReadResult::Fresh { events, .. } | ReadResult::Redeliveries { events, .. } => {
                    *events = None;
                }
                ReadResult::Retries { batch, .. } => *batch = None,
                ReadResult::Bodies { .. } => unreachable!("not the result of a request"),
            }
        }
        self.note(|| format!("found {result:?}"));
        let after = self.take_time(self.settings.pace.read);
        self.put(after, SimEvent::ReadEnds(self.process_number, result));
    }

    /// Simulates the reader, which has read the body of a job, and those of some of its followers.
    fn load(&mut self, mut job: AttemptJob) {
        let body = EventBody::from([0_u8; 100]);
        let endpoint = job.event.endpoint;
        let mut followers = std::mem::take(&mut job.followers);
        followers.truncate(self.random.below(followers.len() + 1));
        job.event.body = Some(body.clone());
        self.send(job);
        let with_body = |seq| (seq, body.clone());
        let bodies = followers.into_iter().map(with_body).collect();
        let result = ReadResult::Bodies { endpoint, bodies };
        let end = SimEvent::ReadEnds(self.process_number, result);
        self.put(Duration::ZERO, end);
    }

    /// Gives a job to the senders, which take jobs in this order.
    fn send(&mut self, job: AttemptJob) {
        let after = self.take_time(Duration::from_micros(50));
        self.last_job_taken_at = self.last_job_taken_at.max(self.time + after);
        let after = self.last_job_taken_at.checked_sub(self.time).unwrap();
        self.put(after, SimEvent::TakeJob(self.process_number, job));
    }

    /// Simulates a sender, which takes a job and checks once more whether its attempt may start.
    fn take_job(&mut self, job: AttemptJob) {
        let AttemptJob { event, target, .. } = job;
        self.oracle.taken(&event);
        if let Err(reason) = target.admit(event.run) {
            self.note(|| format!("{reason:?} {:?}", event.seq));
            let report = match reason {
                NotAdmitted::Skipped => AttemptReport::Skipped(event),
                NotAdmitted::Paused => AttemptReport::GivenBack(event),
            };
            let end = SimEvent::AttemptEnds(self.process_number, report);
            self.put(Duration::ZERO, end);
            return;
        }
        let index = index_of(event.endpoint);
        let stored = &self.store.endpoints[index].target;
        assert!(
            stored.enabled,
            "{event:?} was sent after a disable was answered"
        );
        assert!(
            !stored.paused,
            "{event:?} was sent after a pause was answered"
        );
        assert!(
            event.run > stored.skip_through,
            "{event:?} was sent although its run is skipped"
        );
        let result = self.receivers[index].answer(&mut self.random);
        self.starts += 1;
        let took = result.took;
        let report = AttemptReport::Made(event, result);
        self.put(took, SimEvent::AttemptEnds(self.process_number, report));
    }

    fn record(&mut self, record: AttemptRecord) {
        if self.unwritten.is_empty() {
            let after = self.take_time(self.settings.pace.write);
            self.put(after, SimEvent::Write(self.process_number));
        }
        self.unwritten.push_back(record);
    }

    fn write(&mut self) {
        if self.time < self.disk_full_until {
            let after = self.disk_full_until.checked_sub(self.time).unwrap();
            self.put(after, SimEvent::Write(self.process_number));
            return;
        }
        let now = self.now().wall;
        for record in std::mem::take(&mut self.unwritten) {
            let notices = self.store.record(&record, now);
            self.commit(notices);
        }
    }

    /// Ends the server's process and starts another one. What was not written is lost.
    pub(super) fn restart(&mut self) {
        self.note(|| "restart".to_owned());
        self.process_number += 1;
        self.messages = Messages::default();
        self.unwritten.clear();
        self.busy_until = self.time;
        self.last_job_taken_at = self.time;
        self.live = Arc::new(LiveTargets::default());
        let rules = self.settings.rules();
        let random = dice(self.random.next());
        self.scheduler = Scheduler::new(rules.clone(), self.live.clone(), random);
        self.oracle = Oracle::new(rules);
        let now = self.now();
        for stored in self.store.targets() {
            self.scheduler.resume(&stored, now);
            self.oracle.resume(&stored, now);
        }
        self.wake_at = None;
        self.wake();
    }

    /// Reports whether no notice waits for the dispatcher.
    pub(super) fn are_all_notices_handled(&self) -> bool {
        self.messages.notices.is_empty() && self.messages.overflow.is_empty()
    }
}

fn dice(seed: u64) -> Box<dyn FnMut() -> f64 + Send> {
    let mut random = Random::new(!seed);
    Box::new(move || random.unit())
}
