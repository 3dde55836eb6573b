//! How often callers may ask.
//!
//! Two things are counted, and neither stands in for the other. Requests, by workspace, with whichever of its
//! tokens they come: a budget per token would be void, as workspaces make tokens themselves. Admin tokens,
//! which only the operator makes, have a budget each. Only requests that their token allows are counted, so
//! that strangers can make no state. And failed
//! authentications, by the client's address: those alone are refused for an address, because behind it
//! may be a whole office; a valid token is served whatever else comes from there.
//!
//! Time is the monotonic clock's: no step of the wall clock opens or closes anything.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use ipnet::IpNet;
use uuid::Uuid;

use super::client_address::{client_address, household};
use super::error::ApiError;
use crate::config::ApiSettings;
use crate::domain::access::Caller;
use crate::domain::rate_limit::{Quota, RateLimiter, Standing, Volume, VolumeLimiter};

/// The most clients, and the most workspaces, that are remembered: a megabyte each. Who has more networks
/// than this to fail from gains as many fresh starts, which 256 random bits don't mind.
const REMEMBERED_MAX: usize = 10_000;

/// What a route counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// Publishing: a matter of how busy the producer is.
    Publish,
    /// All else: people, dashboards and scripts.
    Management,
}

/// The limits of a server; each may be off, and then costs nothing.
pub(super) struct Limits {
    management: Limit<Uuid>,
    publish: Limit<Uuid>,
    failures: Limit<IpAddr>,
    volume: Option<Mutex<VolumeLimiter<Uuid>>>,
    trusted_proxies: Vec<IpNet>,
}

struct Limit<K>(Option<Mutex<RateLimiter<K>>>);

impl<K: Copy + Eq + Hash> Limit<K> {
    fn per_minute(limit: u32) -> Self {
        let limit = NonZeroU32::new(limit).map(Quota::per_minute);
        Self(limit.map(|quota| Mutex::new(RateLimiter::new(quota, REMEMBERED_MAX))))
    }

    fn take(&self, key: K, now: Duration) -> Option<Standing> {
        let mut limiter = self
            .0
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(limiter.take(key, now))
    }
}

impl Limits {
    pub(super) fn new(settings: &ApiSettings) -> Self {
        Self {
            management: Limit::per_minute(settings.rate_limit),
            publish: Limit::per_minute(settings.publish_rate_limit),
            failures: Limit::per_minute(settings.auth_failure_limit),
            volume: NonZeroU64::new(settings.publish_byte_limit).map(|limit| {
                let volume = Volume::per_minute(limit);
                Mutex::new(VolumeLimiter::new(volume, REMEMBERED_MAX))
            }),
            trusted_proxies: settings.trusted_proxy.clone(),
        }
    }

    /// Counts a request of a caller that may make it; how its workspace stands, if there is a limit.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`]
    pub(super) fn count(
        &self,
        caller: &Caller,
        budget: Budget,
        now: Duration,
    ) -> Result<Option<Standing>, ApiError> {
        let limit = match budget {
            Budget::Publish => &self.publish,
            Budget::Management => &self.management,
        };
        match limit.take(caller.account(), now) {
            Some(standing) if standing.retry_in.is_some() => Err(ApiError::RateLimited(standing)),
            standing => Ok(standing),
        }
    }

    /// Counts the bytes that are to be published in a workspace, whoever publishes them.
    ///
    /// # Errors
    /// How long until so many may be.
    pub(super) fn count_bytes(
        &self,
        workspace: Uuid,
        bytes: usize,
        now: Duration,
    ) -> Result<(), Duration> {
        let Some(volume) = &self.volume else {
            return Ok(());
        };
        let mut volume = volume.lock().unwrap_or_else(PoisonError::into_inner);
        volume.take(workspace, now, bytes as u64)
    }

    /// How many budgets (of managing, of publishing) and addresses are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> [usize; 3] {
        fn of<K: Copy + Eq + Hash>(limit: &Limit<K>) -> usize {
            let limiter = limit.0.as_ref().map(|it| it.lock().unwrap());
            limiter.map_or(0, |limiter| limiter.remembered())
        }
        [of(&self.management), of(&self.publish), of(&self.failures)]
    }

    /// Counts a bad token against where it came from; what to answer.
    pub(super) fn bad_token(&self, request: &HttpRequest, now: Duration) -> ApiError {
        let Some(peer) = request.peer_addr() else {
            return ApiError::InvalidToken; // No connection, so nobody to hold back.
        };
        let client = client_address(peer.ip(), request.headers(), &self.trusted_proxies);
        let standing = self.failures.take(household(client), now);
        if let Some(retry_in) = standing.and_then(|standing| standing.retry_in) {
            return ApiError::TooManyFailures(retry_in);
        }
        tracing::info!(%client, "a bad access token was refused");
        ApiError::InvalidToken
    }
}
