//! A simulation of the engine: months of trouble in seconds. A seed always gives the same run.
//!
//! The shipped scheduler, the shipped steps of the dispatcher ([`round`](super::round)) and the shipped
//! content of its mailbox run among models: clocks and threads ([`world`]), a store ([`store`]) and receivers
//! ([`receiver`]). Disruptions happen, such as changes by administrators, crashes, full disks, clocks that
//! are set ([`disruption`]). The [`oracle`] checks the invariants at each start, report and commit, and the
//! whole state now and then; it compares the engine with a second implementation of the rules
//! ([`reference_model`], [`start_rule`]). Clocks are virtual, and nothing sleeps.
//!
//! Environment variables: `HOOKPOST_SIM_SEEDS` and `HOOKPOST_SIM_DAYS` make the test longer.
//! `HOOKPOST_SIM_SEED=n` runs one seed and, when it fails, prints the last events.

mod disruption;
mod event_queue;
mod fairness;
pub(crate) mod memory_store;
mod model_terms;
mod oracle;
mod random;
mod receiver;
mod reference_model;
mod settings;
mod start_rule;
mod state_check;
mod store;
mod workspaces;
mod world;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::world::Simulation;

const DAY: Duration = Duration::from_hours(24);

/// The number of seeds of a usual run. The tests of fairness use a small part of them.
const SEEDS: u64 = 1000;

/// Days without faults after which every event has a final state. They cover the last wait, the longest
/// `Retry-After`, and the time by which the wall clock was set back.
const CALM_DAYS: u32 = 5;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

/// Runs `count` seeds on two threads. The first one that fails ends the test and prints how to run it again.
fn for_each_seed(
    count: u64,
    prepare: impl Fn(u64) -> Simulation + Sync,
    simulate: impl Fn(&mut Simulation) + Sync,
) {
    let one = setting("HOOKPOST_SIM_SEED");
    let (first, end) = one.map_or((0, count), |seed| (seed, seed + 1));
    let next = AtomicU64::new(first);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let mut simulation = prepare(seed);
            simulation.trace = one.map(|_| VecDeque::new());
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulate(&mut simulation))) {
                next.store(end, Ordering::Relaxed);
                for line in simulation.trace.iter().flatten() {
                    eprintln!("{line}");
                }
                let time = simulation.time;
                eprintln!("seed {seed} failed after {time:?}; again: HOOKPOST_SIM_SEED={seed}");
                resume_unwind(panic);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
}

#[test]
fn the_invariants_hold_through_days_of_trouble() {
    let days = setting("HOOKPOST_SIM_DAYS").unwrap_or(3);
    let length = DAY * u32::try_from(days).expect("days are few");
    for_each_seed(
        setting("HOOKPOST_SIM_SEEDS").unwrap_or(SEEDS),
        |seed| disruption::troubled(seed, length),
        |simulation| {
            simulation.run(length);
            for _ in 0..CALM_DAYS * 24 {
                if simulation.is_all_final() {
                    break;
                }
                simulation.run(simulation.time + DAY / 24);
            }
            simulation.run(simulation.time + Duration::from_mins(2));
            simulation.check_end();
        },
    );
}
