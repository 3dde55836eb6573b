//! Tests of fairness between endpoints: healthy ones are not delayed by any number of others that hang, are
//! slow or fail.
//!
//! Ten endpoints get 200 events a second together. Then a crowd of others joins. The tests measure the
//! virtual time from a publish to the start of its first attempt, which for a seed is the same on every
//! machine. (To the scheduler, a receiver that sends a byte now and then is one that never answers.)

use std::time::Duration;

use super::disruption::Disruption;
use super::random::Random;
use super::receiver::Behaviour;
use super::settings::{DEFAULT_WAITS, Pace, Settings};
use super::world::Simulation;
use super::{SEEDS, for_each_seed, setting};
use crate::delivery::limits::Limits;
use crate::domain::endpoint_policy::EndpointPolicy;
use crate::storage::EndpointChange;

const HEALTHY: usize = 10;
pub(super) const SENDERS: u32 = 256;

/// The time between two events of one healthy endpoint.
const PERIOD: Duration = Duration::from_millis(50);

/// The time for which the healthy endpoints are alone.
const ALONE: Duration = Duration::from_secs(5);

/// The time for which the crowd gets events.
const CROWDED: Duration = Duration::from_secs(30);

/// The wait beside others may be twice the wait alone, and this much longer.
pub(super) const ALLOWED: Duration = Duration::from_millis(5);

/// A crowd of endpoints that behave alike.
#[derive(Clone, Copy)]
struct Crowd {
    size: usize,
    behaviour: Behaviour,
    /// The time between two events of one of them.
    period: Duration,
    /// Events that wait for each of them from the beginning.
    backlog: usize,
    length: Duration,
    /// They have rates, limits of concurrency and schedules of their own, and every fifth is paused.
    has_policies: bool,
}

/// Returns a simulation at a usual pace, without faults.
pub(super) fn usual(seed: u64) -> Simulation {
    let micros = Duration::from_micros;
    let settings = Settings {
        senders: SENDERS,
        limits: Limits::PRODUCTION,
        waits: DEFAULT_WAITS,
        expire_after: Duration::from_hours(72),
        disable_after: 0,
        published_max: 10_000,
        pace: Pace {
            wake: micros(100),
            work: micros(10),
            write: micros(1000),
            read: micros(1000),
            hiccups: 0.0,
            read_failures: 0.0,
        },
    };
    Simulation::new(settings, seed)
}

fn ten_healthy(seed: u64) -> Simulation {
    let mut simulation = usual(seed);
    for _ in 0..HEALTHY {
        simulation.endpoint(1, Behaviour::Answers(Duration::from_millis(20)));
    }
    simulation.watched = HEALTHY;
    simulation
}

pub(super) fn publish_steadily(
    simulation: &mut Simulation,
    endpoint: usize,
    period: Duration,
    length: Duration,
) {
    let after = simulation.random.between(Duration::ZERO, period);
    let until = simulation.time + length;
    simulation.schedule(after, Disruption::Steady(endpoint, period, until));
}

/// Returns the wait that 99 of 100 do not exceed.
pub(super) fn p99(waits: &mut [Duration]) -> Duration {
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

/// Gives an endpoint a policy that depends on its number, and pauses every fifth.
fn give_policy(simulation: &mut Simulation, endpoint: usize) {
    let rates = [30, 60, 600, 60_000];
    simulation.store.endpoints[endpoint].target.settings.policy = EndpointPolicy {
        rate_limit: Some(rates[endpoint % rates.len()]),
        max_concurrency: (endpoint.is_multiple_of(3)).then_some(1),
        retry_schedule: (endpoint.is_multiple_of(2)).then(|| vec![1, 2, 4]),
        ..EndpointPolicy::default()
    };
    let now = simulation.now().wall;
    simulation
        .store
        .pause(endpoint, endpoint.is_multiple_of(5), now);
    let notice = simulation.store.edit(endpoint, EndpointChange::Edited);
    simulation.commit(Vec::from_iter(notice));
}

impl Crowd {
    fn join(self, simulation: &mut Simulation) {
        for _ in 0..self.size {
            let endpoint = simulation.endpoint(1, self.behaviour);
            if self.has_policies {
                give_policy(simulation, endpoint);
            }
            simulation.publish_long_ago(endpoint, self.backlog);
            publish_steadily(simulation, endpoint, self.period, self.length);
        }
    }

    /// Checks with one seed that the crowd delays no healthy endpoint.
    fn check(self, simulation: &mut Simulation) {
        for endpoint in 0..HEALTHY {
            publish_steadily(simulation, endpoint, PERIOD, ALONE + self.length);
        }
        simulation.run(simulation.time + ALONE);
        let alone = p99(&mut std::mem::take(&mut simulation.waits));
        self.join(simulation);
        simulation.run(simulation.time + self.length);
        let before = simulation.store.last_run();
        let beside = p99(&mut simulation.waits);
        println!("alone {alone:?}, beside the crowd {beside:?}, {before} events");
        assert!(beside <= alone * 2 + ALLOWED, "{alone:?} became {beside:?}");
        let now = simulation.now();
        simulation.check(now);
    }

    fn check_seeds(self) {
        let seeds = setting("HOOKPOST_SIM_SEEDS").unwrap_or(SEEDS);
        for_each_seed(
            (seeds / 200).max(1),
            |seed| ten_healthy(Random::new(seed).next()),
            |simulation| self.check(simulation),
        );
    }
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

#[test]
fn healthy_endpoints_keep_their_pace_beside_500_that_never_answer() {
    let crowd = Crowd {
        size: 500,
        behaviour: Behaviour::Hangs,
        period: SECOND,
        backlog: 1,
        length: CROWDED,
        has_policies: false,
    };
    crowd.check_seeds();
}

#[test]
fn healthy_endpoints_keep_their_pace_beside_1000_that_answer_after_8_seconds() {
    let crowd = Crowd {
        size: 1000,
        behaviour: Behaviour::Answers(8 * SECOND),
        period: 2 * SECOND,
        backlog: 1,
        length: CROWDED,
        has_policies: false,
    };
    crowd.check_seeds();
}

#[test]
fn healthy_endpoints_keep_their_pace_beside_500_that_answer_500() {
    let crowd = Crowd {
        size: 500,
        behaviour: Behaviour::Code(500),
        period: SECOND,
        backlog: 1,
        length: CROWDED,
        has_policies: false,
    };
    crowd.check_seeds();
}

#[test]
fn healthy_endpoints_keep_their_pace_beside_500_that_refuse() {
    let crowd = Crowd {
        size: 500,
        behaviour: Behaviour::Refuses,
        period: SECOND,
        backlog: 1,
        length: CROWDED,
        has_policies: false,
    };
    crowd.check_seeds();
}

#[test]
fn healthy_endpoints_keep_their_pace_beside_500_whose_names_resolve_slowly() {
    let crowd = Crowd {
        size: 500,
        behaviour: Behaviour::Unresolved(5 * SECOND),
        period: SECOND,
        backlog: 1,
        length: CROWDED,
        has_policies: false,
    };
    crowd.check_seeds();
}

#[test]
fn healthy_endpoints_keep_their_pace_beside_3_with_a_backlog_of_100000() {
    let crowd = Crowd {
        size: 3,
        behaviour: Behaviour::Answers(Duration::from_millis(50)),
        period: SECOND,
        backlog: 100_000,
        length: 10 * SECOND,
        has_policies: false,
    };
    crowd.check_seeds();
}

#[test]
fn healthy_endpoints_keep_their_pace_beside_500_with_policies_and_backlogs() {
    for behaviour in [
        Behaviour::Answers(Duration::from_millis(20)),
        Behaviour::Hangs,
    ] {
        let crowd = Crowd {
            size: 500,
            behaviour,
            period: SECOND,
            backlog: 20,
            length: CROWDED,
            has_policies: true,
        };
        crowd.check_seeds();
    }
}
