//! The terms on which attempts to an endpoint start: its policy and its pause, as the scheduler needs them.

use std::time::Duration;

use crate::domain::attempt_rate::AttemptRate;
use crate::domain::clock::Timestamp;
use crate::domain::retry::RetryPolicy;
use crate::storage::Target;

/// The terms of one endpoint.
#[derive(Default)]
pub(super) struct Terms {
    /// The retry policy, if it differs from the server's.
    pub(super) retry: Option<Box<RetryPolicy>>,
    pub(super) rate: Option<AttemptRate>,
    pub(super) max_concurrency: Option<u32>,
    pub(super) is_paused: bool,
    pub(super) resumed_at: Option<Timestamp>,
}

impl Terms {
    /// Returns the terms of a target. A rate that stays, or changes, goes on from where it is.
    pub(super) fn of(target: &Target, before: &Self, server: &RetryPolicy) -> Self {
        let policy = &target.settings.policy;
        let per_minute = policy.rate_limit;
        Self {
            retry: policy.retry(server).map(Box::new),
            rate: per_minute.map(|per_minute| match before.rate {
                Some(rate) => rate.changed_to(per_minute),
                None => AttemptRate::new(per_minute),
            }),
            max_concurrency: policy.max_concurrency,
            is_paused: target.paused,
            resumed_at: target.resumed_at,
        }
    }

    /// Notes the start of an attempt.
    pub(super) fn started(&mut self, now: Duration) {
        if let Some(rate) = &mut self.rate {
            rate.started(now);
        }
    }
}
