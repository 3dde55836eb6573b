//! Tests of fairness between workspaces: one with a single endpoint is not delayed by the backlog of others.
//!
//! The single endpoint gets ten events a second. Then other workspaces join, with a backlog for each of their
//! endpoints. As in [`fairness`](super::fairness), the tests measure the virtual time from a publish to the
//! start of its first attempt.

use std::time::Duration;

use super::fairness::{ALLOWED, SECOND, SENDERS, p99, publish_steadily, usual};
use super::random::Random;
use super::receiver::Behaviour;
use super::world::Simulation;
use super::{SEEDS, for_each_seed, setting};

/// The time until the single endpoint has as many senders as it needs.
const WARM: Duration = Duration::from_secs(30);
const ALONE: Duration = Duration::from_secs(10);

const fn millis(millis: u64) -> Behaviour {
    Behaviour::Answers(Duration::from_millis(millis))
}

/// A workspace with a single endpoint beside other workspaces.
#[derive(Clone, Copy)]
struct Beside {
    /// The behaviour of the single endpoint's receiver.
    one: Behaviour,
    /// The time between two events of the single endpoint.
    period: Duration,
    /// The number of other workspaces.
    workspaces: i64,
    /// Endpoints of each of them.
    endpoints: usize,
    /// The behaviour of the receivers of these endpoints.
    behaviour: Behaviour,
    /// Events that wait for each of these endpoints.
    backlog: usize,
    length: Duration,
}

impl Beside {
    const USUAL: Self = Self {
        one: millis(20),
        period: Duration::from_millis(100),
        workspaces: 1,
        endpoints: 1000,
        behaviour: millis(100),
        backlog: 100,
        length: Duration::from_secs(20),
    };

    fn others_join(self, simulation: &mut Simulation) {
        for workspace in 0..self.workspaces {
            for _ in 0..self.endpoints {
                let endpoint = simulation.endpoint(workspace + 2, self.behaviour);
                simulation.publish_long_ago(endpoint, self.backlog);
            }
        }
    }

    /// Returns how long events of the single endpoint wait, alone and beside the others.
    fn waits(self, simulation: &mut Simulation) -> (Duration, Duration) {
        let one = simulation.endpoint(1, self.one);
        simulation.watched = 1;
        publish_steadily(simulation, one, self.period, WARM + ALONE + self.length);
        simulation.run(simulation.time + WARM);
        simulation.waits.clear();
        simulation.run(simulation.time + ALONE);
        let alone = p99(&mut std::mem::take(&mut simulation.waits));
        self.others_join(simulation);
        simulation.starts = 0;
        simulation.run(simulation.time + self.length);
        let beside = p99(&mut simulation.waits);
        println!(
            "alone {alone:?}, beside {beside:?}; {} starts",
            simulation.starts
        );
        let now = simulation.now();
        simulation.check(now);
        (alone, beside)
    }

    /// Checks that the single endpoint's events do not wait noticeably longer beside the others.
    fn check_no_delay(self) {
        each_seed(|simulation| {
            let (alone, beside) = self.waits(simulation);
            assert!(beside <= alone * 2 + ALLOWED, "{alone:?} became {beside:?}");
        });
    }
}

fn each_seed(simulate: impl Fn(&mut Simulation) + Sync) {
    let seeds = setting("HOOKPOST_SIM_SEEDS").unwrap_or(SEEDS);
    for_each_seed(
        (seeds / 500).max(1),
        |seed| usual(Random::new(seed).next()),
        simulate,
    );
}

#[test]
fn beside_1000_good_endpoints_that_take_100_ms() {
    Beside::USUAL.check_no_delay();
}

#[test]
fn beside_1000_good_endpoints_that_take_300_ms() {
    let behaviour = millis(300);
    let beside = Beside {
        behaviour,
        ..Beside::USUAL
    };
    beside.check_no_delay();
}

#[test]
fn beside_1000_good_endpoints_that_take_800_ms() {
    let beside = Beside {
        behaviour: millis(800),
        length: Duration::from_mins(1),
        ..Beside::USUAL
    };
    beside.check_no_delay();
}

#[test]
fn beside_twenty_workspaces_with_100_endpoints_each() {
    let beside = Beside {
        workspaces: 20,
        endpoints: 100,
        behaviour: millis(500),
        length: Duration::from_secs(40),
        ..Beside::USUAL
    };
    beside.check_no_delay();
}

/// The single endpoint needs eight senders itself.
#[test]
fn one_whose_own_receiver_takes_800_ms() {
    let beside = Beside {
        one: millis(800),
        behaviour: millis(500),
        length: Duration::from_secs(40),
        ..Beside::USUAL
    };
    beside.check_no_delay();
}

/// A slow receiver makes an endpoint bad, and bad ones share a quarter of the senders.
#[test]
fn one_whose_own_receiver_is_slow_beside_1000_that_hang() {
    let beside = Beside {
        one: millis(1200),
        period: Duration::from_millis(200),
        behaviour: Behaviour::Hangs,
        length: Duration::from_mins(1),
        ..Beside::USUAL
    };
    beside.check_no_delay();
}

/// Many workspaces that each need one sender may use all senders. An event of the single endpoint then waits
/// for the next sender that becomes free, and never for longer than an answer takes.
#[test]
fn beside_1000_workspaces_with_one_endpoint_each() {
    let beside = Beside {
        one: millis(10),
        workspaces: 1000,
        endpoints: 1,
        behaviour: millis(800),
        length: Duration::from_secs(40),
        ..Beside::USUAL
    };
    each_seed(|simulation| {
        let (_, beside) = beside.waits(simulation);
        assert!(beside <= Duration::from_millis(800), "{beside:?}");
    });
}

/// The first event of an endpoint that was never tried, while another workspace has a thousand such
/// endpoints.
#[test]
fn a_new_workspace_is_not_kept_out_by_1000_new_endpoints_that_hang() {
    for behaviour in [Behaviour::Hangs, Behaviour::Refuses, millis(800)] {
        let others = Beside {
            behaviour,
            ..Beside::USUAL
        };
        each_seed(|simulation| {
            // The endpoint exists before; its first event comes when the others have their senders.
            let one = simulation.endpoint(1, millis(20));
            simulation.watched = 1;
            others.others_join(simulation);
            simulation.run(simulation.time + 5 * SECOND);
            publish_steadily(simulation, one, SECOND, Duration::ZERO);
            simulation.run(simulation.time + 5 * SECOND);
            let wait = simulation.waits.first().copied().expect("it started");
            assert!(wait <= SECOND + ALLOWED, "{wait:?} beside {behaviour:?}");
        });
    }
}

/// A workspace that is alone may use all senders: none is kept free for others.
#[test]
fn a_workspace_that_is_alone_has_all_senders() {
    each_seed(|simulation| {
        let (delay, length) = (millis(400), 40 * SECOND);
        for _ in 0..1000 {
            let endpoint = simulation.endpoint(1, delay);
            simulation.publish_long_ago(endpoint, 200);
        }
        simulation.run(simulation.time + 20 * SECOND);
        simulation.starts = 0;
        simulation.run(simulation.time + length);
        let all = f64::from(SENDERS) * length.as_secs_f64() / 0.4;
        let starts = f64::from(u32::try_from(simulation.starts).expect("few"));
        println!("{starts} of {all}");
        assert!(starts >= all * 0.97, "{starts} of {all}");
    });
}
