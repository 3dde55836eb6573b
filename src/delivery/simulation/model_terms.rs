//! A second implementation of the rules for the policy and the pause of an endpoint, made from their words, without the
//! engine's code.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::endpoint_policy::EndpointPolicy;
use crate::domain::retry::RetryPolicy;
use crate::storage::Target;

/// The starts that are kept for the check of the rate.
const STARTS: usize = 150;

/// The terms of one endpoint, as the notices that the scheduler has handled tell them.
#[derive(Default)]
pub(super) struct ModelTerms {
    policy: EndpointPolicy,
    pub(super) is_paused: bool,
    resumed_at: Option<Timestamp>,
    /// The starts under the present rate.
    starts: VecDeque<Duration>,
}

impl ModelTerms {
    /// Notes a change of the endpoint. Returns whether the policy has changed.
    pub(super) fn change(&mut self, target: &Target) -> bool {
        let policy = &target.settings.policy;
        let has_changed = self.policy != *policy;
        if self.policy.rate_limit != policy.rate_limit {
            self.starts.clear();
        }
        self.policy = policy.clone();
        self.is_paused = target.paused;
        self.resumed_at = target.resumed_at;
        has_changed
    }

    /// Returns the waits and the longest time of a run.
    pub(super) fn retry(&self, server: &RetryPolicy) -> RetryPolicy {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let own = self.policy.retry_schedule.clone();
        RetryPolicy {
            waits: match own {
                Some(waits) => waits.into_iter().map(seconds).collect(),
                None => server.waits.clone(),
            },
            expire_after: match self.policy.expire_after {
                Some(own) => seconds(own),
                None => server.expire_after,
            },
        }
    }

    /// Returns the age of a run, which begins anew with the end of a pause.
    pub(super) fn age(&self, run_started: Timestamp, now: Timestamp) -> Duration {
        now.since(run_started.max(self.resumed_at.unwrap_or(run_started)))
    }

    /// Checks that the policy and the pause let an attempt start beside so many others, and notes it.
    pub(super) fn start(&mut self, in_flight: u32, now: Duration) {
        assert!(!self.is_paused, "started during a pause");
        let most = self.policy.max_concurrency.unwrap_or(u32::MAX);
        assert!(in_flight < most, "{in_flight} in flight, {most} allowed");
        let Some(per_minute) = self.policy.rate_limit else {
            return;
        };
        self.starts.push_back(now);
        if self.starts.len() > STARTS {
            self.starts.pop_front();
        }
        let per_second = f64::from(per_minute) / 60.0;
        let latest = self.starts.iter().rev().enumerate();
        for (others, first) in latest {
            let span = now.saturating_sub(*first).as_secs_f64();
            let most = span * per_second + per_second.max(1.0);
            let started = f64::from(u32::try_from(others + 1).expect("few"));
            // One more for rounding.
            assert!(
                started <= most + 1.0,
                "{started} in {span} s at {per_minute} a minute"
            );
        }
    }
}
