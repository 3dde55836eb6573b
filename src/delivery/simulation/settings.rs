//! The settings of a simulation.

use std::time::Duration;

use crate::delivery::limits::Limits;
use crate::delivery::scheduler::Rules;
use crate::domain::retry::RetryPolicy;

/// The times that the threads around the scheduler take.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The time until the dispatcher wakes.
    pub(super) wake: Duration,
    /// The dispatcher's time for one message or one command.
    pub(super) work: Duration,
    /// The writer's time for a commit.
    pub(super) write: Duration,
    /// The reader's time for a read.
    pub(super) read: Duration,
    /// The share of these steps that take a hundred times longer.
    pub(super) hiccups: f64,
    /// The share of reads that fail.
    pub(super) read_failures: f64,
}

/// The waits of the default schedule.
pub(super) const DEFAULT_WAITS: &[u64] =
    &[5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 43_200];

/// The settings of a simulation.
pub(super) struct Settings {
    pub(super) senders: u32,
    pub(super) limits: Limits,
    /// The waits of the retry schedule, in seconds.
    pub(super) waits: &'static [u64],
    pub(super) expire_after: Duration,
    pub(super) disable_after: u32,
    /// Published events that the dispatcher's mailbox keeps.
    pub(super) published_max: usize,
    pub(super) pace: Pace,
}

impl Settings {
    /// Returns the scheduler's rules.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            senders: self.senders,
            retry: RetryPolicy {
                waits: self
                    .waits
                    .iter()
                    .copied()
                    .map(Duration::from_secs)
                    .collect(),
                expire_after: self.expire_after,
            },
            limits: self.limits,
        }
    }
}
