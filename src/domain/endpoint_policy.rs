//! The policy of an endpoint: how it is tried, where that differs from the server's settings. A policy can slow
//! attempts down; the server's limits hold in any case.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::retry::RetryPolicy;

/// The most waits of a retry schedule.
pub const RETRY_WAITS_MAX: usize = 32;
/// The longest wait of a retry schedule, in seconds: 30 days.
pub const RETRY_WAIT_MAX_S: u32 = 30 * 24 * 3600;
/// The longest time of a run, in seconds: a year.
pub const EXPIRE_AFTER_MAX_S: u32 = 365 * 24 * 3600;
/// The longest time of an attempt, in seconds. An attempt takes a sender for so long.
pub const TIMEOUT_MAX_S: u32 = 120;
/// The most attempts a minute that a limit can say: beyond it, there is no need of one.
pub const RATE_LIMIT_MAX: u32 = 600_000;
/// The most attempts at the same time that a policy can say. The server's own limit may be lower.
pub const CONCURRENCY_MAX: u32 = 64;
/// The most failed events in a row that a policy can say.
pub const DISABLE_AFTER_MAX: u32 = 1000;

/// The policy of an endpoint. `None` in each member: the setting of the server holds. The JSON of the API and that of
/// the database have the same members, and leave out those that are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointPolicy {
    /// The waits before the second, third … attempt, in seconds; empty: one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_schedule: Option<Vec<u32>>,
    /// The longest time of a run, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<u32>,
    /// The longest time of one attempt, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// The most attempts that start in a minute, spread evenly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// The most attempts at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// The endpoint is disabled after so many failed events in a row; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_after: Option<u32>,
}

impl EndpointPolicy {
    /// Reports whether the server's settings hold in all.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the retry policy, if it differs from the server's.
    #[must_use]
    pub fn retry(&self, server: &RetryPolicy) -> Option<RetryPolicy> {
        if self.retry_schedule.is_none() && self.expire_after.is_none() {
            return None;
        }
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let waits = self.retry_schedule.as_ref();
        let waits = waits.map(|waits| waits.iter().copied().map(seconds).collect());
        Some(RetryPolicy {
            waits: waits.unwrap_or_else(|| server.waits.clone()),
            expire_after: self.expire_after.map_or(server.expire_after, seconds),
        })
    }

    /// Returns the longest time of one attempt, if it differs from the server's.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(u64::from(self.timeout?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> RetryPolicy {
        RetryPolicy {
            waits: vec![Duration::from_secs(5)],
            expire_after: Duration::from_hours(72),
        }
    }

    #[test]
    fn what_a_policy_does_not_say_is_as_the_server_has_it() {
        let policy = |json| serde_json::from_str::<EndpointPolicy>(json).unwrap();
        assert_eq!(policy(r#"{"timeout":3}"#).retry(&server()), None);
        let retry = |json| policy(json).retry(&server()).unwrap();
        let none = retry(r#"{"retry_schedule":[]}"#);
        assert_eq!(
            (none.waits.len(), none.expire_after),
            (0, server().expire_after)
        );
        let day = retry(r#"{"expire_after":86400}"#);
        assert_eq!(day.waits, server().waits);
        assert_eq!(day.expire_after, Duration::from_hours(24));
    }

    #[test]
    fn the_json_has_only_what_a_policy_says() {
        let text = r#"{"retry_schedule":[1,60],"rate_limit":60,"disable_after":0}"#;
        let policy: EndpointPolicy = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&policy).unwrap(), text);
        assert!(!policy.is_default() && EndpointPolicy::default().is_default());
        let default = serde_json::to_string(&EndpointPolicy::default()).unwrap();
        assert_eq!(default, "{}");
    }
}
