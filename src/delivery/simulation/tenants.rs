//! A workspace with one endpoint keeps its pace, however much others have to send to wherever.
//!
//! The one gets ten events a second. Then other workspaces come, with a backlog for each of their endpoints.
//! As in [`fairness`](super::fairness), the virtual time from a publish to the start of its first attempt is
//! measured.

use std::time::Duration;

use super::fairness::{ALLOWED, SECOND, SENDERS, p99, publish_steadily, usual};
use super::random::Random;
use super::receiver::Mode;
use super::world::Simulation;
use super::{SEEDS, for_each_seed, setting};

/// Until the one's endpoint has as many senders as it needs.
const WARM: Duration = Duration::from_secs(30);
const ALONE: Duration = Duration::from_secs(10);

const fn millis(millis: u64) -> Mode {
    Mode::Answers(Duration::from_millis(millis))
}

/// The one, and the others.
#[derive(Clone, Copy)]
struct Beside {
    /// How the one's receiver behaves.
    one: Mode,
    /// Between two events of the one.
    period: Duration,
    /// How many others.
    workspaces: i64,
    /// Endpoints of each of them.
    endpoints: usize,
    mode: Mode,
    /// Events that wait for each endpoint.
    backlog: usize,
    length: Duration,
}

impl Beside {
    const USUAL: Self = Self {
        one: millis(20),
        period: Duration::from_millis(100),
        workspaces: 1,
        endpoints: 1000,
        mode: millis(100),
        backlog: 100,
        length: Duration::from_secs(20),
    };

    fn others_come(self, simulation: &mut Simulation) {
        for workspace in 0..self.workspaces {
            for _ in 0..self.endpoints {
                let endpoint = simulation.endpoint(workspace + 2, self.mode);
                simulation.publish_long_ago(endpoint, self.backlog);
            }
        }
    }

    /// What the one waits alone and beside the others.
    fn waits(self, simulation: &mut Simulation) -> (Duration, Duration) {
        let one = simulation.endpoint(1, self.one);
        simulation.watched = 1;
        publish_steadily(simulation, one, self.period, WARM + ALONE + self.length);
        simulation.run(simulation.time + WARM);
        simulation.waits.clear();
        simulation.run(simulation.time + ALONE);
        let alone = p99(&mut std::mem::take(&mut simulation.waits));
        self.others_come(simulation);
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

    /// The one does not wait noticeably longer, although the others have their senders.
    fn leaves_the_one_its_pace(self) {
        each_seed(|simulation| {
            let (alone, beside) = self.waits(simulation);
            assert!(beside <= alone * 2 + ALLOWED, "{alone:?} became {beside:?}");
        });
    }
}

fn each_seed(live: impl Fn(&mut Simulation) + Sync) {
    let seeds = setting("HOOKPOST_SIM_SEEDS").unwrap_or(SEEDS);
    for_each_seed(
        (seeds / 500).max(1),
        |seed| usual(Random::new(seed).next()),
        live,
    );
}

#[test]
fn beside_1000_good_endpoints_that_take_100_ms() {
    Beside::USUAL.leaves_the_one_its_pace();
}

#[test]
fn beside_1000_good_endpoints_that_take_300_ms() {
    let mode = millis(300);
    let beside = Beside {
        mode,
        ..Beside::USUAL
    };
    beside.leaves_the_one_its_pace();
}

#[test]
fn beside_1000_good_endpoints_that_take_800_ms() {
    let beside = Beside {
        mode: millis(800),
        length: Duration::from_mins(1),
        ..Beside::USUAL
    };
    beside.leaves_the_one_its_pace();
}

#[test]
fn beside_twenty_workspaces_with_100_endpoints_each() {
    let beside = Beside {
        workspaces: 20,
        endpoints: 100,
        mode: millis(500),
        length: Duration::from_secs(40),
        ..Beside::USUAL
    };
    beside.leaves_the_one_its_pace();
}

/// The one needs eight senders itself.
#[test]
fn whose_own_receiver_takes_800_ms() {
    let beside = Beside {
        one: millis(800),
        mode: millis(500),
        length: Duration::from_secs(40),
        ..Beside::USUAL
    };
    beside.leaves_the_one_its_pace();
}

/// A slow receiver makes an endpoint bad, and bad ones share a quarter of the senders.
#[test]
fn whose_own_receiver_is_slow_beside_1000_that_hang() {
    let beside = Beside {
        one: millis(1200),
        period: Duration::from_millis(200),
        mode: Mode::Hangs,
        length: Duration::from_mins(1),
        ..Beside::USUAL
    };
    beside.leaves_the_one_its_pace();
}

/// Many workspaces that each need one sender have them all by right; then the one waits for the next that
/// becomes free, and never for longer than an answer takes.
#[test]
fn beside_1000_workspaces_with_one_endpoint_each() {
    let beside = Beside {
        one: millis(10),
        workspaces: 1000,
        endpoints: 1,
        mode: millis(800),
        length: Duration::from_secs(40),
        ..Beside::USUAL
    };
    each_seed(|simulation| {
        let (_, beside) = beside.waits(simulation);
        assert!(beside <= Duration::from_millis(800), "{beside:?}");
    });
}

/// The first event of an endpoint never tried, while another workspace has a thousand such.
#[test]
fn a_new_workspace_is_not_kept_out_by_1000_new_endpoints_that_hang() {
    for mode in [Mode::Hangs, Mode::Refuses, millis(800)] {
        let others = Beside {
            mode,
            ..Beside::USUAL
        };
        each_seed(|simulation| {
            // The endpoint is there before; its first event comes when the others have what they want.
            let one = simulation.endpoint(1, millis(20));
            simulation.watched = 1;
            others.others_come(simulation);
            simulation.run(simulation.time + 5 * SECOND);
            publish_steadily(simulation, one, SECOND, Duration::ZERO);
            simulation.run(simulation.time + 5 * SECOND);
            let wait = simulation.waits.first().copied().expect("it started");
            assert!(wait <= SECOND + ALLOWED, "{wait:?} beside {mode:?}");
        });
    }
}

/// A workspace that is alone has all senders: nothing is kept for others that are not there.
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
