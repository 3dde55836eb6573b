//! The rate limits of the API.
//!
//! They count three things, each by itself.
//!
//! - Requests, by workspace, whichever of its tokens they use: a limit for each token would be void, since
//!   workspaces make tokens themselves. Admin tokens, which only the operator makes, have a limit each. Only
//!   requests that the token allows are counted, so that clients without a valid token take no memory here.
//! - Bytes of publishes, by the workspace of the message.
//! - Failed authentications, by the client's address. Nothing else is limited by address, because a whole
//!   office may be behind one: a request with a valid token is served, whatever else comes from its address.
//!
//! The time is that of the monotonic clock, so that a step of the wall clock changes no limit.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use ipnet::IpNet;
use uuid::Uuid;

use super::client_address::{UnixPeer, client_address, client_key};
use super::error::ApiError;
use super::same_machine::is_forwarded;
use crate::config::ApiSettings;
use crate::domain::access::Caller;
use crate::domain::owner::Owner;
use crate::domain::rate_limit::{ByteQuota, ByteRateLimiter, Quota, RateLimitStatus, RateLimiter};

/// The most clients, and the most workspaces, that are remembered: a megabyte each. An attacker with more
/// networks than this gets some attempts back; against a 256-bit token that is harmless.
const REMEMBERED_MAX: usize = 10_000;

/// The limit that the requests of a route count towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// Publishes: as many as a busy producer needs.
    Publish,
    /// All other requests: of people, dashboards and scripts.
    Management,
}

/// The limits of a server. Each may be off, and then costs nothing.
pub(crate) struct RateLimits {
    management: Limit<Owner>,
    publish: Limit<Owner>,
    failures: Limit<IpAddr>,
    published_bytes: Option<Mutex<ByteRateLimiter<Uuid>>>,
    trusted_proxies: Vec<IpNet>,
}

/// A limit for each key; `None` if it is off.
struct Limit<K>(Option<Mutex<RateLimiter<K>>>);

impl<K: Copy + Eq + Hash> Limit<K> {
    fn per_minute(limit: u32) -> Self {
        let limit = NonZeroU32::new(limit).map(Quota::per_minute);
        Self(limit.map(|quota| Mutex::new(RateLimiter::new(quota, REMEMBERED_MAX))))
    }

    fn take(&self, key: K, now: Duration) -> Option<RateLimitStatus> {
        let mut limiter = self
            .0
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(limiter.take(key, now))
    }

    fn take_others(&self, key: K, now: Duration, count: u32) -> Option<RateLimitStatus> {
        let mut limiter = self
            .0
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(limiter.take_others(key, now, count))
    }
}

impl RateLimits {
    pub(crate) fn new(settings: &ApiSettings) -> Self {
        Self {
            management: Limit::per_minute(settings.rate_limit),
            publish: Limit::per_minute(settings.publish_rate_limit),
            failures: Limit::per_minute(settings.auth_failure_limit),
            published_bytes: NonZeroU64::new(settings.publish_byte_limit).map(|limit| {
                let quota = ByteQuota::per_minute(limit);
                Mutex::new(ByteRateLimiter::new(quota, REMEMBERED_MAX))
            }),
            trusted_proxies: settings.trusted_proxy.clone(),
        }
    }

    /// Counts a request that the caller may make. Returns the status of the limit for the caller's workspace,
    /// or `None` without a limit.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`]
    pub(crate) fn count(
        &self,
        caller: &Caller,
        budget: Budget,
        now: Duration,
    ) -> Result<Option<RateLimitStatus>, ApiError> {
        let limit = match budget {
            Budget::Publish => &self.publish,
            Budget::Management => &self.management,
        };
        match limit.take(caller.owner(), now) {
            Some(status) if status.retry_in.is_some() => Err(ApiError::RateLimited(status)),
            status => Ok(status),
        }
    }

    /// Counts a publish, which was counted as one request already, as `count` of them. Returns the status of the limit, or
    /// `None` without a limit. The status is that of a refusal if so many are not allowed now; then nothing is counted.
    pub(crate) fn count_as_several(
        &self,
        caller: &Caller,
        count: usize,
        now: Duration,
    ) -> Option<RateLimitStatus> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.publish.take_others(caller.owner(), now, count)
    }

    /// Counts the bytes that a caller publishes in several different workspaces, all or none.
    ///
    /// # Errors
    /// The time after which all of them may be published.
    pub(crate) fn count_bytes_of_all(
        &self,
        parts: &[(Uuid, u64)],
        now: Duration,
    ) -> Result<(), Duration> {
        let Some(limiter) = &self.published_bytes else {
            return Ok(());
        };
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take_all(parts, now)
    }

    /// Counts the bytes that a caller publishes in a workspace.
    ///
    /// # Errors
    /// The time after which the workspace may publish so many bytes.
    pub(crate) fn count_bytes(
        &self,
        workspace: Uuid,
        bytes: usize,
        now: Duration,
    ) -> Result<(), Duration> {
        let Some(limiter) = &self.published_bytes else {
            return Ok(());
        };
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take(workspace, now, bytes as u64)
    }

    /// Returns how many keys are remembered: for management, for publishes, and addresses.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> [usize; 3] {
        fn of<K: Copy + Eq + Hash>(limit: &Limit<K>) -> usize {
            let limiter = limit.0.as_ref().map(|it| it.lock().unwrap());
            limiter.map_or(0, |limiter| limiter.remembered())
        }
        [of(&self.management), of(&self.publish), of(&self.failures)]
    }

    /// Counts an invalid token for the client's address, and returns the error for the response.
    pub(crate) fn bad_token(&self, request: &HttpRequest, now: Duration) -> ApiError {
        let Some(client) = self.client(request) else {
            return ApiError::InvalidToken; // There is no address to count for.
        };
        let status = self.failures.take(client_key(client), now);
        if let Some(retry_in) = status.and_then(|status| status.retry_in) {
            return ApiError::TooManyFailures(retry_in);
        }
        // The line of the request tells of it, too, and those lines have a limit.
        tracing::debug!(%client, "a bad access token was refused");
        ApiError::InvalidToken
    }

    /// Reports whether a trusted proxy passed a request on.
    pub(crate) fn is_forwarded(&self, request: &HttpRequest) -> bool {
        let Some(peer) = peer(request) else {
            return false;
        };
        let is_trusted = self.trusted_proxies.iter().any(|net| net.contains(&peer));
        is_trusted && is_forwarded(request.headers())
    }

    /// Returns the address of a request's client; `None` if the client is gone, or in a test without a socket.
    pub(crate) fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let trusted = &self.trusted_proxies;
        Some(client_address(peer(request)?, request.headers(), trusted))
    }
}

/// Returns the address that the connection of a request comes from.
fn peer(request: &HttpRequest) -> Option<IpAddr> {
    match request.peer_addr() {
        Some(peer) => Some(peer.ip().to_canonical()),
        None => request.conn_data::<UnixPeer>().map(|_| UnixPeer::ADDRESS),
    }
}
