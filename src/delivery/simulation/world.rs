//! The world around a scheduler: a store, receivers, threads that take their time, and what they do in turn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::disruption::Disruption;
use super::event_queue::{EventQueue, SimEvent};
use super::oracle::Oracle;
use super::random::Random;
use super::receiver::Mode;
use super::store::{Store, index_of};
use crate::delivery::limits::Limits;
use crate::delivery::protocol::{AttemptJob, AttemptReport, Now, ReadRequest, ReadResult};
use crate::delivery::scheduler::{Rules, Scheduler};
use crate::delivery::target::LiveTargets;
use crate::domain::clock::Timestamp;
use crate::domain::retry::RetryPolicy;
use crate::storage::{AttemptRecord, EndpointNumber, Notice, QueuedEvent, Seq, WorkspaceNumber};

/// How long the threads around the scheduler take.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The dispatcher, to wake.
    pub(super) wake: Duration,
    /// The dispatcher, for one thing that it hears or decides.
    pub(super) work: Duration,
    /// The writer, for a commit.
    pub(super) write: Duration,
    /// The reader, for a read.
    pub(super) read: Duration,
    /// How often any of it takes a hundred times longer.
    pub(super) hiccups: f64,
    /// How often a read fails.
    pub(super) read_failures: f64,
}

pub(super) struct Settings {
    pub(super) senders: u32,
    pub(super) limits: Limits,
    pub(super) expire_after: Duration,
    pub(super) disable_after: u32,
    /// Published events that the dispatcher's letter box takes.
    pub(super) letter_box: usize,
    pub(super) pace: Pace,
}

#[derive(Default)]
struct Messages {
    notices: Vec<Notice>,
    published: usize,
    overflow: BTreeMap<EndpointNumber, Seq>,
    reports: Vec<AttemptReport>,
    reads: Vec<ReadResult>,
}

pub(super) struct Simulation {
    pub(super) settings: Settings,
    pub(super) random: Random,
    /// The monotonic clock.
    pub(super) time: Duration,
    /// What the wall clock said at monotonic zero, if it had always gone as now.
    pub(super) wall_start: Timestamp,
    pub(super) store: Store,
    pub(super) receivers: Vec<Mode>,
    /// How many workspaces the endpoints are spread over.
    pub(super) workspaces: usize,
    pub(super) oracle: Oracle,
    pub(super) scheduler: Scheduler,
    live: Arc<LiveTargets>,
    event_queue: EventQueue,
    life: u32,
    mail: Messages,
    wake_at: Option<Duration>,
    busy_until: Duration,
    /// When a sender takes the start that is last in line.
    line_moves_at: Duration,
    unwritten: VecDeque<AttemptRecord>,
    /// Outcomes are not written before: the disk is full.
    pub(super) disk_full_until: Duration,
    /// How long fresh events of the first endpoints took to start, for those that are watched.
    pub(super) watched: usize,
    pub(super) waits: Vec<Duration>,
    pub(super) starts: usize,
    /// Nothing goes wrong any more.
    pub(super) faults_stopped: bool,
    pub(super) trace: Option<VecDeque<String>>,
}

impl Simulation {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        let live = Arc::new(LiveTargets::default());
        let rules = rules(&settings);
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
            event_queue: EventQueue::default(),
            life: 0,
            mail: Messages::default(),
            wake_at: None,
            busy_until: Duration::ZERO,
            line_moves_at: Duration::ZERO,
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

    fn put(&mut self, after: Duration, what: SimEvent) {
        self.event_queue.put(self.time + after, what);
    }

    pub(super) fn plan(&mut self, after: Duration, plan: Disruption) {
        self.put(after, SimEvent::Disruption(plan));
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let time = self.time;
        if let Some(trace) = &mut self.trace {
            if trace.len() == 1000 {
                trace.pop_front();
            }
            trace.push_back(format!("{:.6} {}", time.as_secs_f64(), what()));
        }
    }

    /// Around `usual`; seldom, very much longer.
    pub(super) fn take_time(&mut self, usual: Duration) -> Duration {
        let factor = 0.5 + self.random.unit();
        if self.random.chance(self.settings.pace.hiccups) {
            usual.mul_f64(factor * 100.0)
        } else {
            usual.mul_f64(factor)
        }
    }

    /// Lives through what happens until `end`.
    pub(super) fn run(&mut self, end: Duration) {
        while let Some((at, what)) = self.event_queue.next(end) {
            self.time = at;
            self.happen(what);
        }
        self.time = self.time.max(end);
    }

    fn happen(&mut self, what: SimEvent) {
        let life = self.life;
        match what {
            SimEvent::Wake if self.wake_at == Some(self.time) => self.turn(),
            SimEvent::Write(of) if of == life => self.write(),
            SimEvent::Snapshot(of, request) if of == life => self.snapshot(request),
            SimEvent::Answer(of, result) if of == life => {
                self.mail.reads.push(result);
                self.ring();
            }
            SimEvent::Load(of, start) if of == life => self.load(start),
            SimEvent::Admit(of, start) if of == life => self.admit(start),
            SimEvent::Land(of, report) if of == life => {
                self.mail.reports.push(report);
                self.ring();
            }
            SimEvent::Disruption(plan) => self.follow(plan),
            _ => {}
        }
    }

    /// Wakes the dispatcher.
    pub(super) fn ring(&mut self) {
        let after = self.take_time(self.settings.pace.wake);
        self.wake_by((self.time + after).max(self.busy_until));
    }

    fn wake_by(&mut self, at: Duration) {
        if self.wake_at.is_none_or(|earlier| at < earlier) {
            self.wake_at = Some(at);
            self.put(at.checked_sub(self.time).unwrap(), SimEvent::Wake);
        }
    }

    /// A commit: what it changes is live at once, and the dispatcher hears of it.
    pub(super) fn commit(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            self.note(|| format!("commit {notice:?}"));
            match &notice {
                Notice::Endpoint(target, _) => {
                    self.live.committed(target);
                    let index = index_of(target.number);
                    self.plan(Duration::from_millis(1), Disruption::Sweep(index));
                }
                Notice::Published(event) => {
                    if self.mail.published >= self.settings.letter_box {
                        let highest = self.mail.overflow.entry(event.endpoint).or_default();
                        *highest = event.seq.max(*highest);
                        continue;
                    }
                    self.mail.published += 1;
                }
                _ => {}
            }
            self.mail.notices.push(notice);
        }
        self.ring();
    }

    /// The dispatcher's turn, as `Dispatcher::hear` and `Dispatcher::hand_out` make it.
    fn turn(&mut self) {
        self.wake_at = None;
        let mail = self.take_mail();
        let now = self.now();
        let mut done = mail.notices.len() + mail.reads.len() + mail.reports.len();
        for notice in mail.notices {
            self.oracle.heard(&notice);
            self.scheduler.notice(notice, now);
        }
        for (endpoint, seq) in mail.overflow {
            self.scheduler.committed(endpoint, seq);
        }
        for read in mail.reads {
            self.scheduler.read(read, now);
        }
        for report in mail.reports {
            self.oracle.handle_report(&report, now);
            if let Some(outcome) = self.scheduler.handle_report(report, now) {
                self.record(outcome);
            }
        }
        self.scheduler.tick(now);
        self.oracle.ticked(now);
        done += self.hand_out(now);
        self.busy_until = self.time + self.settings.pace.work * u32::try_from(done).unwrap_or(1);
        if self.oracle.is_check_due() {
            self.check(now);
        }
        let wake = self.scheduler.next_wake();
        assert!(wake > self.time, "the scheduler never sleeps");
        self.wake_by(wake.max(self.busy_until));
    }

    /// Seldom, the last notices are still on their way, although a read has seen their commits.
    fn take_mail(&mut self) -> Messages {
        let mut mail = std::mem::take(&mut self.mail);
        if !mail.notices.is_empty() && self.random.chance(self.settings.pace.hiccups) {
            let heard = self.random.below(mail.notices.len());
            self.mail.notices = mail.notices.split_off(heard);
            self.mail.overflow = std::mem::take(&mut mail.overflow);
            self.ring();
        }
        mail
    }

    fn hand_out(&mut self, now: Now) -> usize {
        let mut done = 0;
        loop {
            let before = self.scheduler.sums();
            let Some(start) = self.scheduler.next_start(now) else {
                break;
            };
            self.note(|| format!("start {:?}", start.event));
            let queue = self.scheduler.queue(start.event.endpoint);
            let class = queue.expect("it has work").health.class();
            self.oracle
                .started(&start.event, class, &before, &self.store, now);
            if index_of(start.event.endpoint) < self.watched {
                self.waits.push(now.wall.since(start.event.run_started));
            }
            if start.event.body.is_some() {
                self.send(start);
            } else {
                let after = self.take_time(self.settings.pace.read);
                self.put(after, SimEvent::Load(self.life, start));
            }
            done += 1;
        }
        while let Some(outcome) = self.scheduler.next_expired() {
            self.note(|| format!("expired {:?}", outcome.event.seq));
            self.oracle.expired(&outcome, now);
            self.record(outcome);
        }
        while let Some((_, request)) = self.scheduler.next_read(now) {
            self.note(|| format!("read {request:?}"));
            self.oracle.asked();
            let after = self.take_time(self.settings.pace.read);
            self.put(after, SimEvent::Snapshot(self.life, request));
            self.race(request);
            done += 1;
        }
        done
    }

    fn snapshot(&mut self, request: ReadRequest) {
        let mut result = self.store.read(request);
        if self.random.chance(self.settings.pace.read_failures) {
            match &mut result {
                ReadResult::Fresh(_, events, _) | ReadResult::Redeliveries(_, events, _) => {
                    *events = None;
                }
                ReadResult::Retries(_, batch) => *batch = None,
                ReadResult::Bodies(..) => unreachable!("not an answer to a request"),
            }
        }
        self.note(|| format!("found {result:?}"));
        let after = self.take_time(self.settings.pace.read);
        self.put(after, SimEvent::Answer(self.life, result));
    }

    /// The reader has a start's body, and those of some of its followers.
    fn load(&mut self, mut start: AttemptJob) {
        let body: Arc<[u8]> = Arc::from([0_u8; 100]);
        let endpoint = start.event.endpoint;
        let mut followers = std::mem::take(&mut start.followers);
        followers.truncate(self.random.below(followers.len() + 1));
        start.event.body = Some(body.clone());
        self.send(start);
        let bodies = followers.into_iter().map(|seq| (seq, body.clone()));
        let result = ReadResult::Bodies(endpoint, bodies.collect());
        self.put(Duration::ZERO, SimEvent::Answer(self.life, result));
    }

    /// Puts a start into the line that senders take their work from.
    fn send(&mut self, start: AttemptJob) {
        let after = self.take_time(Duration::from_micros(50));
        self.line_moves_at = self.line_moves_at.max(self.time + after);
        let after = self.line_moves_at.checked_sub(self.time).unwrap();
        self.put(after, SimEvent::Admit(self.life, start));
    }

    /// A sender takes an event over and looks once more whether it may.
    fn admit(&mut self, start: AttemptJob) {
        let AttemptJob { event, target, .. } = start;
        self.oracle.taken(&event);
        if target.admit(event.run).is_none() {
            self.note(|| format!("abandoned {:?}", event.seq));
            self.put(
                Duration::ZERO,
                SimEvent::Land(self.life, AttemptReport::Skipped(event)),
            );
            return;
        }
        let index = index_of(event.endpoint);
        let stored = &self.store.endpoints[index].target;
        assert!(
            stored.enabled,
            "{event:?} was sent after a disable was answered"
        );
        assert!(
            event.run > stored.skip_through,
            "{event:?} was sent although its run is skipped"
        );
        let how = self.receivers[index].answer(&mut self.random);
        self.starts += 1;
        self.put(
            how.took,
            SimEvent::Land(self.life, AttemptReport::Made(event, how)),
        );
    }

    fn record(&mut self, outcome: AttemptRecord) {
        if self.unwritten.is_empty() {
            let after = self.take_time(self.settings.pace.write);
            self.put(after, SimEvent::Write(self.life));
        }
        self.unwritten.push_back(outcome);
    }

    fn write(&mut self) {
        if self.time < self.disk_full_until {
            let after = self.disk_full_until.checked_sub(self.time).unwrap();
            self.put(after, SimEvent::Write(self.life));
            return;
        }
        let now = self.now().wall;
        for outcome in std::mem::take(&mut self.unwritten) {
            let notices = self.store.record(&outcome, now);
            self.commit(notices);
        }
    }

    /// The process ends and another one takes over. What was not written is lost.
    pub(super) fn restart(&mut self) {
        self.note(|| "restart".to_owned());
        self.life += 1;
        self.mail = Messages::default();
        self.unwritten.clear();
        self.busy_until = self.time;
        self.line_moves_at = self.time;
        self.live = Arc::new(LiveTargets::default());
        let rules = rules(&self.settings);
        let random = dice(self.random.next());
        self.scheduler = Scheduler::new(rules.clone(), self.live.clone(), random);
        self.oracle = Oracle::new(rules);
        let now = self.now();
        for (target, backlog) in self.store.targets() {
            self.scheduler.resume(&target, backlog, now);
        }
        self.wake_at = None;
        self.ring();
    }

    /// Whether nothing is on its way to the dispatcher.
    pub(super) fn is_all_heard(&self) -> bool {
        let Messages {
            notices, overflow, ..
        } = &self.mail;
        notices.is_empty() && overflow.is_empty()
    }

    /// Publishes an event.
    pub(super) fn publish(&mut self, endpoint: usize, body: Arc<[u8]>) -> Option<QueuedEvent> {
        self.store.publish(endpoint, self.now().wall, body)
    }

    /// Publishes a backlog; the dispatcher hears only that there is one.
    pub(super) fn publish_long_ago(&mut self, endpoint: usize, events: usize) {
        let body: Arc<[u8]> = Arc::from([0_u8; 100]);
        for _ in 0..events {
            if let Some(event) = self.publish(endpoint, body.clone()) {
                self.mail.overflow.insert(event.endpoint, event.seq);
            }
        }
        self.ring();
    }

    /// Takes an endpoint of a workspace; it behaves like `mode`.
    pub(super) fn endpoint(&mut self, workspace: i64, mode: Mode) -> usize {
        self.receivers.push(mode);
        let notice = self.store.create(WorkspaceNumber(workspace));
        self.commit(vec![notice]);
        self.receivers.len() - 1
    }
}

fn rules(settings: &Settings) -> Rules {
    let seconds = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 43_200];
    Rules {
        senders: settings.senders,
        retry: RetryPolicy {
            waits: seconds.map(Duration::from_secs).to_vec(),
            expire_after: settings.expire_after,
        },
        limits: settings.limits,
    }
}

fn dice(seed: u64) -> Box<dyn FnMut() -> f64 + Send> {
    let mut random = Random::new(!seed);
    Box::new(move || random.unit())
}
