//! The scheduler in a simulated world: months of trouble in seconds, the same for a seed for ever.
//!
//! The real [`Scheduler`](super::scheduler::Scheduler) runs among models: a store that commits and
//! answers in its own time ([`store`]), receivers ([`receiver`]), and the threads between them
//! ([`world`]). People and fate interfere ([`plan`]). What must hold is checked at each start, landing and
//! commit, and everything is looked at now and then ([`oracle`], [`shadow`]). Clocks are virtual and
//! nothing sleeps.
//!
//! `HOOKPOST_SIM_SEEDS` and `HOOKPOST_SIM_DAYS` make it longer; `HOOKPOST_SIM_SEED=n` runs one seed and,
//! when it fails, prints what happened last.

mod agenda;
mod asker;
mod fairness;
mod oracle;
mod plan;
mod random;
mod receiver;
mod shadow;
mod store;
mod tenants;
mod world;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::world::World;

const DAY: Duration = Duration::from_hours(24);

/// Seeds of a usual run; the scenarios of fairness get a two-hundredth of them.
const SEEDS: u64 = 1000;

/// After so long in peace every event has ended: the last wait, the longest `Retry-After`, and what
/// clocks that were set back add.
const PEACE: u32 = 5;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

/// Runs `count` seeds on two threads; the first that fails ends the test and says how to run it again.
fn for_each_seed(count: u64, run: impl Fn(u64) -> World + Sync, live: impl Fn(&mut World) + Sync) {
    let one = setting("HOOKPOST_SIM_SEED");
    let (first, end) = one.map_or((0, count), |seed| (seed, seed + 1));
    let next = AtomicU64::new(first);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let mut world = run(seed);
            world.trace = one.map(|_| VecDeque::new());
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| live(&mut world))) {
                next.store(end, Ordering::Relaxed);
                for line in world.trace.iter().flatten() {
                    eprintln!("{line}");
                }
                let time = world.time;
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
        |seed| plan::troubled(seed, length),
        |world| {
            world.run(length);
            for _ in 0..PEACE * 24 {
                if world.is_all_final() {
                    break;
                }
                world.run(world.time + DAY / 24);
            }
            world.run(world.time + Duration::from_mins(2));
            world.check_end();
        },
    );
}
