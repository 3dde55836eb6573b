//! Rate limits: token buckets that fill steadily, one per key.
//!
//! The rule is the generic cell rate algorithm. For each key it keeps only the time at which the bucket will
//! be full again. So no thread has to fill buckets, and a burst at the turn of a minute does not get twice
//! the limit. The crate `governor` is not used, because it does not bound the number of keys, does not say
//! when a bucket is full, and brings seven other crates for a dozen lines.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// A limit of requests: a bucket for `limit` requests that fills steadily within a minute. So `limit`
/// requests may come at once, and then one each `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u32,
    interval: Duration,
}

/// The status of a bucket after one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// The size of the bucket.
    pub limit: u32,
    /// The number of further requests that are allowed now.
    pub remaining: u32,
    /// The time until the bucket is full, if no request comes.
    pub full_in: Duration,
    /// `None` if the request was allowed; otherwise the time until one is allowed.
    pub retry_in: Option<Duration>,
}

impl Quota {
    /// Returns the limit for a bucket of `limit` requests.
    #[must_use]
    pub fn per_minute(limit: NonZeroU32) -> Self {
        Self {
            limit: limit.get(),
            interval: MINUTE / limit.get(),
        }
    }

    /// Takes one request, at `now`, out of a bucket that will be full at `full_at`. Returns the new time at
    /// which the bucket will be full, and its status. A refused request takes nothing out. Both times are of
    /// one clock that never goes back.
    #[must_use]
    pub fn take(self, full_at: Duration, now: Duration) -> (Duration, RateLimitStatus) {
        self.take_several(full_at, now, 1)
    }

    /// Takes `count` requests together, or none of them. More than the limit are never allowed.
    #[must_use]
    pub fn take_several(
        self,
        full_at: Duration,
        now: Duration,
        count: u32,
    ) -> (Duration, RateLimitStatus) {
        let missing = full_at.saturating_sub(now);
        let whole = self.interval * self.limit;
        let after = missing + self.interval * count;
        let too_early = after.saturating_sub(whole);
        if !too_early.is_zero() {
            return (full_at, self.status(missing, Some(too_early)));
        }
        (now + after, self.status(after, None))
    }

    fn status(self, missing: Duration, retry_in: Option<Duration>) -> RateLimitStatus {
        let left = (self.interval * self.limit).saturating_sub(missing);
        let remaining = left.as_nanos() / self.interval.as_nanos();
        RateLimitStatus {
            limit: self.limit,
            remaining: u32::try_from(remaining).unwrap_or(self.limit),
            full_in: missing,
            retry_in,
        }
    }
}

/// A limit of bytes: a bucket for so many bytes that fills steadily within a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteQuota(NonZeroU64);

impl ByteQuota {
    /// Returns the limit for a bucket of `bytes`.
    #[must_use]
    pub const fn per_minute(bytes: NonZeroU64) -> Self {
        Self(bytes)
    }

    /// Takes `bytes`, at `now`, out of a bucket that will be full at `full_at`, and returns the new time at
    /// which it will be full. More bytes than the bucket holds are allowed when it is full; the next bytes
    /// then wait until the bucket has made up for them. Both times are of one clock that never goes back.
    ///
    /// # Errors
    /// The time until so many bytes are allowed; nothing is taken out of the bucket.
    pub fn take(self, full_at: Duration, now: Duration, bytes: u64) -> Result<Duration, Duration> {
        let missing = full_at.saturating_sub(now);
        let nanos = u128::from(bytes) * MINUTE.as_nanos() / u128::from(self.0.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let too_early = (missing.saturating_add(cost.min(MINUTE))).saturating_sub(MINUTE);
        if too_early.is_zero() {
            Ok(now.saturating_add(missing).saturating_add(cost))
        } else {
            Err(too_early)
        }
    }
}

/// The buckets of all keys, in bounded memory: for each, the time at which it will be full. When `recent` has
/// no more room, it becomes `earlier`, and the keys of the old `earlier`, unused for longest, are dropped.
/// The bucket of a dropped key counts as full.
#[derive(Debug)]
struct Buckets<K> {
    /// The most keys in each of the two maps.
    half: usize,
    recent: HashMap<K, Duration>,
    earlier: HashMap<K, Duration>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn new(most: usize) -> Self {
        Self {
            half: (most / 2).max(1),
            recent: HashMap::new(),
            earlier: HashMap::new(),
        }
    }

    fn full_at(&self, key: K) -> Duration {
        let known = self.recent.get(&key).or_else(|| self.earlier.get(&key));
        known.copied().unwrap_or_default()
    }

    fn set(&mut self, key: K, full_at: Duration) {
        if self.recent.len() >= self.half && !self.recent.contains_key(&key) {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, full_at);
    }
}

/// A limit of bytes, with a bucket for each key.
#[derive(Debug)]
pub struct ByteRateLimiter<K> {
    quota: ByteQuota,
    buckets: Buckets<K>,
}

impl<K: Copy + Eq + Hash> ByteRateLimiter<K> {
    /// Returns a limiter without keys; it keeps at most `most` of them (at least two).
    #[must_use]
    pub fn new(quota: ByteQuota, most: usize) -> Self {
        Self {
            quota,
            buckets: Buckets::new(most),
        }
    }

    /// Takes `bytes` at `now` out of the bucket of `key`.
    ///
    /// # Errors
    /// The time until so many bytes are allowed.
    pub fn take(&mut self, key: K, now: Duration, bytes: u64) -> Result<(), Duration> {
        let full_at = self.buckets.full_at(key);
        let taken = self.quota.take(full_at, now, bytes);
        self.buckets.set(key, taken.unwrap_or(full_at));
        taken.map(drop)
    }

    /// Takes bytes at `now` out of the buckets of several different keys, or none of them.
    ///
    /// # Errors
    /// The time until all of them are allowed.
    pub fn take_all(&mut self, parts: &[(K, u64)], now: Duration) -> Result<(), Duration> {
        let take = |&(key, bytes): &(K, u64)| {
            let taken = self.quota.take(self.buckets.full_at(key), now, bytes);
            (key, taken)
        };
        let taken: Vec<_> = parts.iter().map(take).collect();
        if let Some(retry_in) = taken.iter().filter_map(|(_, it)| it.err()).max() {
            return Err(retry_in);
        }
        for (key, full_at) in taken {
            self.buckets.set(key, full_at.unwrap_or_default());
        }
        Ok(())
    }
}

/// A limit of requests, with a bucket for each key.
#[derive(Debug)]
pub struct RateLimiter<K> {
    quota: Quota,
    buckets: Buckets<K>,
}

impl<K: Copy + Eq + Hash> RateLimiter<K> {
    /// Returns a limiter without keys; it keeps at most `most` of them (at least two).
    #[must_use]
    pub fn new(quota: Quota, most: usize) -> Self {
        Self {
            quota,
            buckets: Buckets::new(most),
        }
    }

    /// Returns the number of keys that are kept.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.buckets.recent.len() + self.buckets.earlier.len()
    }

    /// Takes one request at `now` out of the bucket of `key`.
    pub fn take(&mut self, key: K, now: Duration) -> RateLimitStatus {
        let full_at = self.buckets.full_at(key);
        let (full_at, status) = self.quota.take(full_at, now);
        self.buckets.set(key, full_at);
        status
    }

    /// Takes the other requests of `count` of which one was taken already. If they are not all allowed, gives that
    /// one back; the status then says when all of them are.
    pub fn take_others(&mut self, key: K, now: Duration, count: u32) -> RateLimitStatus {
        let before = self
            .buckets
            .full_at(key)
            .saturating_sub(self.quota.interval);
        let (full_at, status) = self.quota.take_several(before, now, count);
        self.buckets.set(key, full_at);
        status
    }
}

#[cfg(test)]
mod tests;
