//! The disruptions of a simulation: publishers, administrators, receivers, crashes, full disks, clocks that
//! are set.

use std::time::Duration;

use super::random::Random;
use super::receiver::Behaviour;
use super::settings::{DEFAULT_WAITS, Pace, Settings};
use super::store::index_of;
use super::world::Simulation;
use crate::delivery::limits::Limits;
use crate::delivery::protocol::ReadRequest;
use crate::domain::endpoint_policy::EndpointPolicy;
use crate::storage::{EndpointChange, EventBody, Notice, QueuedEvent, Seq, WorkspaceNumber};

const HOUR: Duration = Duration::from_hours(1);

/// Endpoints at the beginning, and the most that are ever created.
const ENDPOINTS: usize = 20;
const ENDPOINTS_MAX: usize = 30;

/// One disruption. A variant that concerns one endpoint has its index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Disruption {
    /// A publisher sends a burst of events for an endpoint. Happens again and again.
    Burst(usize),
    /// A publisher sends an event each period (the first duration) until a moment (the second one).
    Steady(usize, Duration, Duration),
    /// The receiver behaves differently from now on. Happens again and again.
    ReceiverChange(usize),
    /// An administrator changes an endpoint.
    ChangeEndpoint(usize),
    /// An administrator enables an endpoint.
    Enable(usize),
    /// An administrator ends the pause of an endpoint.
    Resume(usize),
    /// An administrator changes any endpoint. Happens again and again.
    AdminAction,
    /// The wall clock is set. Happens again and again.
    Jump,
    /// The process crashes. Happens again and again.
    Crash,
    /// The disk is full for a while. Happens again and again.
    Full,
    /// The writer marks skipped events.
    Sweep(usize),
    /// No fault happens from now on.
    StopFaults,
}

/// Returns a simulation in which all kinds of disruptions happen for the time `length`.
pub(super) fn troubled(seed: u64, length: Duration) -> Simulation {
    let mut random = Random::new(seed);
    let mut simulation = Simulation::new(settings(&mut random), random.next());
    simulation.workspaces = random.pick(&[1, 2, 5, 30]);
    for _ in 0..ENDPOINTS {
        let behaviour = Behaviour::random(&mut simulation.random);
        let workspace = simulation.any_workspace();
        let endpoint = simulation.endpoint(workspace, behaviour);
        let after = simulation.random.gap(HOUR);
        simulation.schedule(after, Disruption::Burst(endpoint));
        simulation.schedule(after, Disruption::ReceiverChange(endpoint));
    }
    simulation.schedule(HOUR, Disruption::AdminAction);
    for (disruption, share) in [
        (Disruption::Jump, 0.4),
        (Disruption::Crash, 0.5),
        (Disruption::Full, 0.3),
    ] {
        if random.chance(share) {
            simulation.schedule(random.gap(8 * HOUR), disruption);
        }
    }
    simulation.schedule(length, Disruption::StopFaults);
    simulation
}

fn settings(random: &mut Random) -> Settings {
    let tiny = Limits {
        waiting_events: 30,
        min_rows: 2,
        body_bytes: 2000,
        unrecorded: 12,
        fresh_per_endpoint: 8,
        refill_below: 2,
        refill_rows: 4,
        retry_rows: 4,
        retries_below: 2,
        bodies_per_read: 3,
    };
    let roomy = Limits {
        waiting_events: 1000,
        unrecorded: 4096,
        ..tiny
    };
    let micros = Duration::from_micros;
    Settings {
        senders: random.pick(&[4, 8, 16, 64]),
        limits: random.pick(&[tiny, roomy, Limits::PRODUCTION]),
        waits: random.pick(&[DEFAULT_WAITS, DEFAULT_WAITS, &[1, 2, 60], &[7200, 1], &[]]),
        expire_after: random.pick(&[2, 12, 72]) * HOUR,
        disable_after: random.pick(&[0, 3, 10]),
        published_max: random.pick(&[3, 20, 10_000]),
        pace: Pace {
            wake: micros(200),
            work: micros(20),
            write: random.pick(&[micros(500), micros(20_000)]),
            read: random.pick(&[micros(500), micros(20_000)]),
            hiccups: random.pick(&[0.0, 0.02, 0.1]),
            read_failures: random.pick(&[0.0, 0.02, 0.2]),
        },
    }
}

impl Simulation {
    /// Carries out a disruption.
    pub(super) fn disrupt(&mut self, disruption: Disruption) {
        if self.faults_stopped
            && !matches!(disruption, Disruption::Sweep(_) | Disruption::Steady(..))
        {
            return;
        }
        match disruption {
            Disruption::Burst(endpoint) => {
                self.burst(endpoint);
                self.again(disruption, HOUR);
            }
            Disruption::Steady(endpoint, period, until) => self.steady(endpoint, period, until),
            Disruption::ReceiverChange(endpoint) => {
                self.receivers[endpoint] = Behaviour::random(&mut self.random);
                self.again(disruption, 2 * HOUR);
            }
            Disruption::ChangeEndpoint(endpoint) => self.change_endpoint(endpoint),
            Disruption::Enable(endpoint) => {
                let notice = self.store.enable(endpoint);
                self.commit(Vec::from_iter(notice));
            }
            Disruption::Resume(endpoint) => self.resume(endpoint),
            Disruption::AdminAction => {
                let endpoint = self.random.below(self.receivers.len());
                self.change_endpoint(endpoint);
                self.again(disruption, HOUR);
            }
            Disruption::Jump => {
                let by = self.random.gap(HOUR).min(12 * HOUR);
                self.wall_start = if self.random.chance(0.5) {
                    self.wall_start.after(by)
                } else {
                    self.wall_start.before(by)
                };
                self.wake();
                self.again(disruption, 12 * HOUR);
            }
            Disruption::Crash => {
                self.restart();
                self.again(disruption, 12 * HOUR);
            }
            Disruption::Full => {
                self.disk_full_until = self.time + self.random.gap(HOUR / 6);
                self.again(disruption, 12 * HOUR);
            }
            Disruption::Sweep(endpoint) => {
                if self.store.sweep(endpoint, 50) {
                    self.schedule(Duration::from_millis(5), disruption);
                }
            }
            Disruption::StopFaults => self.stop_faults(),
        }
    }

    fn any_workspace(&mut self) -> i64 {
        let below = self.random.below(self.workspaces);
        i64::try_from(below).expect("there are few") + 1
    }

    fn again(&mut self, disruption: Disruption, mean: Duration) {
        let after = self.random.gap(mean);
        self.schedule(after, disruption);
    }

    fn burst(&mut self, endpoint: usize) {
        let size = if self.random.chance(0.1) { 40 } else { 5 };
        let mut notices = Vec::new();
        for _ in 0..=self.random.below(size) {
            let body = vec![0; self.random.pick(&[1, 100, 900])];
            let body = body.into();
            notices.extend(self.publish(endpoint, body).map(Notice::Published));
        }
        self.commit(notices);
        // A race needs two changes at a time.
        for _ in 0..self.random.below(4) {
            let most = self.random.pick(&[1, 100, 20_000]);
            let after = self
                .random
                .between(Duration::ZERO, Duration::from_millis(most));
            let chance = self.random.chance(0.3);
            self.schedule(
                after,
                if chance {
                    Disruption::ChangeEndpoint(endpoint)
                } else {
                    Disruption::Sweep(endpoint)
                },
            );
        }
    }

    /// Seldom, has an administrator change an endpoint while a read of it is running.
    pub(super) fn race(&mut self, request: ReadRequest) {
        if self.faults_stopped || !self.random.chance(0.02) {
            return;
        }
        let (ReadRequest::Fresh { endpoint, .. }
        | ReadRequest::Retries { endpoint, .. }
        | ReadRequest::Redeliveries { endpoint, .. }) = request;
        let after = self.take_time(self.settings.pace.read);
        self.schedule(after, Disruption::ChangeEndpoint(index_of(endpoint)));
    }

    fn steady(&mut self, endpoint: usize, period: Duration, until: Duration) {
        let body = EventBody::from([0_u8; 100]);
        let event = self.publish(endpoint, body);
        self.commit(Vec::from_iter(event.map(Notice::Published)));
        if self.time < until {
            self.schedule(period, Disruption::Steady(endpoint, period, until));
        }
    }

    fn change_endpoint(&mut self, endpoint: usize) {
        let mut notices = Vec::new();
        match self.random.below(50) {
            40..44 => notices.extend(self.pause_or_resume(endpoint)),
            44..50 => notices.extend(self.change_policy(endpoint)),
            0..5 => {
                // The store sends two notices: of the disable and of the patch.
                notices.push(self.store.disable(endpoint));
                notices.extend(notices.first().cloned());
                let mean = self.random.pick(&[HOUR, HOUR / 3600, HOUR / 360_000]);
                self.again(Disruption::Enable(endpoint), mean);
            }
            5..9 => notices.extend(self.store.edit(endpoint, EndpointChange::Moved)),
            9 | 10 => notices.extend(self.store.edit(endpoint, EndpointChange::Edited)),
            11 | 12 => notices.extend(self.store.enable(endpoint)),
            13 if self.receivers.len() < ENDPOINTS_MAX => {
                notices.push(self.store.delete(endpoint));
                let behaviour = Behaviour::random(&mut self.random);
                let workspace = self.any_workspace();
                let new = self.endpoint(workspace, behaviour);
                self.again(Disruption::Burst(new), HOUR);
                self.again(Disruption::ReceiverChange(new), HOUR);
            }
            14..22 => {
                for _ in 0..=self.random.below(6) {
                    notices.extend(self.step_of_job(endpoint));
                }
            }
            _ => {
                for _ in 0..=self.random.below(3) {
                    notices.extend(self.redeliver_one(endpoint));
                }
            }
        }
        self.commit(notices);
    }

    fn pause_or_resume(&mut self, endpoint: usize) -> Option<Notice> {
        let paused = !self.store.endpoints[endpoint].target.paused;
        let now = self.now().wall;
        self.store.pause(endpoint, paused, now);
        if paused {
            let mean = self.random.pick(&[HOUR, HOUR / 3600, HOUR / 360_000]);
            self.again(Disruption::Resume(endpoint), mean);
        }
        self.store.edit(endpoint, EndpointChange::Edited)
    }

    fn change_policy(&mut self, endpoint: usize) -> Option<Notice> {
        let random = &mut self.random;
        let policy = EndpointPolicy {
            retry_schedule: random
                .pick(&[None, None, Some(&[1, 5, 60][..]), Some(&[])])
                .map(Vec::from),
            expire_after: random.pick(&[None, Some(600), Some(86_400)]),
            timeout: None,
            rate_limit: random.pick(&[None, Some(30), Some(600), Some(600_000)]),
            max_concurrency: random.pick(&[None, Some(1), Some(3)]),
            disable_after: random.pick(&[None, Some(0), Some(2)]),
        };
        self.store.endpoints[endpoint].target.settings.policy = policy;
        self.store.edit(endpoint, EndpointChange::Edited)
    }

    /// Lets one of the endpoint's events go as a job does, makes one, or skips one.
    fn step_of_job(&mut self, endpoint: usize) -> Option<Notice> {
        let now = self.now().wall;
        match self.random.below(4) {
            0 => {
                let (seq, notice) = self.store.make_missing(endpoint, now)?;
                self.oracle.redelivered(seq, self.store.row(seq).run);
                Some(notice)
            }
            1 => {
                let seq = self.waiting(endpoint)?;
                let notice = self.store.skip(seq)?;
                // It starts in no run up to the present one.
                let next_run = self.store.row(Seq(seq)).run + 1;
                self.oracle.redelivered(Seq(seq), next_run);
                Some(notice)
            }
            _ => {
                let seq = self.recent(endpoint)?;
                let notice = self.store.let_go(seq, now)?;
                let run = self.store.row(Seq(seq)).run;
                self.oracle.redelivered(Seq(seq), run);
                Some(notice)
            }
        }
    }

    /// Returns an event of the endpoint that waits.
    fn waiting(&mut self, endpoint: usize) -> Option<i64> {
        let rows = &self.store.endpoints[endpoint];
        match self.random.below(4) {
            0 => rows.fresh.last().copied(),
            1 => rows.fresh.first().copied(),
            2 => rows.retries.first().map(|(_, seq)| *seq),
            _ => None,
        }
    }

    /// Redelivers one of the endpoint's events: one that waits, or one of the latest.
    fn redeliver_one(&mut self, endpoint: usize) -> Option<Notice> {
        let waiting = self.waiting(endpoint);
        let seq = waiting.or_else(|| self.recent(endpoint))?;
        let notice = self.store.redeliver(seq, self.now().wall)?;
        let run = self.store.row(Seq(seq)).run;
        self.oracle.redelivered(Seq(seq), run);
        Some(notice)
    }

    fn recent(&mut self, endpoint: usize) -> Option<i64> {
        let last = self.store.last_run();
        let from = last - 60;
        let of_it: Vec<i64> = (from.max(1)..=last)
            .filter(|seq| {
                self.store
                    .get(*seq)
                    .is_some_and(|row| row.endpoint == endpoint)
            })
            .collect();
        (!of_it.is_empty()).then(|| self.random.pick(&of_it))
    }

    fn resume(&mut self, endpoint: usize) {
        let now = self.now().wall;
        self.store.pause(endpoint, false, now);
        let notice = self.store.edit(endpoint, EndpointChange::Edited);
        self.commit(Vec::from_iter(notice));
    }

    /// Ends the faults: all receivers answer, the disk has room, no endpoint is paused, and no further disruption happens.
    fn stop_faults(&mut self) {
        self.faults_stopped = true;
        self.disk_full_until = Duration::ZERO;
        self.settings.pace.read_failures = 0.0;
        for behaviour in &mut self.receivers {
            *behaviour = Behaviour::Answers(Duration::from_millis(20));
        }
        for endpoint in 0..self.receivers.len() {
            self.resume(endpoint);
        }
    }

    /// Publishes an event.
    pub(super) fn publish(&mut self, endpoint: usize, body: EventBody) -> Option<QueuedEvent> {
        self.store.publish(endpoint, self.now().wall, body)
    }

    /// Publishes a backlog. The dispatcher's mailbox gets only its highest number.
    pub(super) fn publish_long_ago(&mut self, endpoint: usize, events: usize) {
        let body = EventBody::from([0_u8; 100]);
        let backlog = (0..events).filter_map(|_| self.publish(endpoint, body.clone()));
        if let Some(last) = backlog.last() {
            self.deliver(|messages| _ = messages.overflow.insert(last.endpoint, last.seq));
        }
    }

    /// Creates an endpoint of a workspace, whose receiver has this behaviour.
    pub(super) fn endpoint(&mut self, workspace: i64, behaviour: Behaviour) -> usize {
        self.receivers.push(behaviour);
        let notice = self.store.create(WorkspaceNumber(workspace));
        self.commit(vec![notice]);
        self.receivers.len() - 1
    }
}
