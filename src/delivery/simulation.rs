//! The scheduler in a simulated world: months of trouble in seconds, the same for a seed for ever.
//!
//! The real [`Scheduler`](super::scheduler::Scheduler) runs among models: a store that commits and
//! answers in its own time ([`store`]), receivers ([`receiver`]), and the threads between them
//! ([`world`]). People and fate interfere ([`disruption`]). What must hold is checked at each start, report and
//! commit, and everything is looked at now and then ([`oracle`], [`reference_model`]). Clocks are virtual and
//! nothing sleeps.
//!
//! `HOOKPOST_SIM_SEEDS` and `HOOKPOST_SIM_DAYS` make it longer; `HOOKPOST_SIM_SEED=n` runs one seed and,
//! when it fails, prints what happened last.

mod asker;
mod disruption;
mod event_queue;
mod fairness;
pub(crate) mod memory_store;
mod oracle;
mod random;
mod receiver;
mod reference_model;
mod store;
mod tenants;
mod world;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::world::Simulation;

const DAY: Duration = Duration::from_hours(24);

/// Seeds of a usual run; the scenarios of fairness get a two-hundredth of them.
const SEEDS: u64 = 1000;

/// After so long in peace every event has ended: the last wait, the longest `Retry-After`, and what
/// clocks that were set back add.
const CALM_DAYS: u32 = 5;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

/// Runs `count` seeds on two threads; the first that fails ends the test and says how to run it again.
fn for_each_seed(
    count: u64,
    run: impl Fn(u64) -> Simulation + Sync,
    live: impl Fn(&mut Simulation) + Sync,
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
            let mut simulation = run(seed);
            simulation.trace = one.map(|_| VecDeque::new());
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| live(&mut simulation))) {
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
