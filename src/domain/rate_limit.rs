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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(limit: u32) -> Quota {
        Quota::per_minute(NonZeroU32::new(limit).unwrap())
    }

    /// A plain model of a bucket: it holds time, and fills as time passes.
    struct Bucket {
        whole: Duration,
        level: Duration,
        seen: Duration,
    }

    impl Bucket {
        fn take(&mut self, cost: Duration, now: Duration) -> bool {
            self.level = (self.level + now.saturating_sub(self.seen)).min(self.whole);
            self.seen = now;
            let allowed = self.level >= cost;
            if allowed {
                self.level -= cost;
            }
            allowed
        }
    }

    proptest! {
        #[test]
        fn it_decides_as_a_bucket_does(
            limit in 1_u32..2000,
            start in 0_u64..1_000_000,
            waits in prop::collection::vec(0_u64..200_000_000, 1..400),
        ) {
            let quota = quota(limit);
            let mut now = Duration::from_micros(start);
            let whole = quota.interval * limit;
            let mut bucket = Bucket { whole, level: whole, seen: now };
            let mut full_at = Duration::ZERO;
            for wait in waits {
                // Mostly bursts, now and then a pause.
                now += Duration::from_nanos(if wait % 3 == 0 { wait * 20 } else { wait / 1000 });
                let (next, status) = quota.take(full_at, now);
                prop_assert_eq!(status.retry_in.is_none(), bucket.take(quota.interval, now));
                prop_assert_eq!(status.full_in, whole.saturating_sub(bucket.level));
                let remaining = bucket.level.as_nanos() / quota.interval.as_nanos();
                prop_assert_eq!(u128::from(status.remaining), remaining);
                if let Some(retry_in) = status.retry_in {
                    prop_assert_eq!(status.remaining, 0);
                    prop_assert!(quota.take(next, now + retry_in).1.retry_in.is_none());
                    let early = now + retry_in.saturating_sub(Duration::from_nanos(1));
                    prop_assert!(quota.take(next, early).1.retry_in.is_some());
                }
                full_at = next;
            }
        }

        #[test]
        fn memory_is_bounded_and_those_who_come_often_are_remembered(
            most in 2_usize..40,
            keys in prop::collection::vec(0_u16..500, 1..600),
        ) {
            let mut limiter = RateLimiter::new(quota(1), most);
            prop_assert!(limiter.take(u16::MAX, Duration::ZERO).retry_in.is_none());
            let mut others = 0;
            for key in keys {
                limiter.take(key, Duration::ZERO);
                prop_assert!(limiter.remembered() <= most);
                others += 1;
                if others == most / 2 {
                    others = 0;
                    prop_assert!(limiter.take(u16::MAX, Duration::ZERO).retry_in.is_some());
                }
            }
        }
    }

    #[test]
    fn a_request_that_stands_for_several_is_counted_whole_or_not_at_all() {
        let mut limiter = RateLimiter::new(quota(60), 4);
        let (at, second) = (Duration::from_secs(1000), Duration::from_secs(1));
        assert_eq!(limiter.take('a', at).remaining, 59);
        let status = limiter.take_others('a', at, 40);
        assert_eq!((status.remaining, status.retry_in), (20, None));
        assert_eq!(limiter.take('a', at).remaining, 19);
        let refused = limiter.take_others('a', at, 30);
        assert_eq!(
            (refused.remaining, refused.retry_in),
            (20, Some(10 * second))
        );
        assert_eq!(
            limiter.take('a', at).remaining,
            19,
            "the one was given back"
        );
        assert_eq!(limiter.take_others('a', at, 1).remaining, 19);
        let later = at + 11 * second;
        assert_eq!(limiter.take('a', later).remaining, 29);
        assert_eq!(limiter.take_others('a', later, 30).retry_in, None);
    }

    #[test]
    fn bytes_of_several_keys_are_taken_together_or_not_at_all() {
        let quota = ByteQuota::per_minute(NonZeroU64::new(1000).unwrap());
        let mut limiter = ByteRateLimiter::new(quota, 8);
        let at = Duration::from_secs(1000);
        assert_eq!(limiter.take_all(&[('a', 600), ('b', 100)], at), Ok(()));
        let wait = Duration::from_secs(12);
        assert_eq!(limiter.take_all(&[('b', 900), ('a', 600)], at), Err(wait));
        assert_eq!(limiter.take('b', at, 900), Ok(()), "nothing was taken");
        assert_eq!(limiter.take_all(&[('a', 600)], at + wait), Ok(()));
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut limiter = RateLimiter::new(quota(1), 4);
        let mut allowed = |key| limiter.take(key, Duration::ZERO).retry_in.is_none();
        assert_eq!(
            [1, 2, 3, 4, 3, 4].map(&mut allowed),
            [true, true, true, true, false, false]
        );
        assert!(allowed(5));
        assert!(!allowed(4), "heard of since");
        assert!(allowed(1), "forgotten");
    }

    #[test]
    fn buckets_are_apart_and_fill_in_a_minute() {
        let mut limiter = RateLimiter::new(quota(3), 10);
        let at = Duration::from_secs(1000);
        for remaining in [2, 1, 0] {
            let status = limiter.take('a', at);
            assert_eq!(
                (status.limit, status.remaining, status.retry_in),
                (3, remaining, None)
            );
        }
        let refused = limiter.take('a', at);
        assert_eq!(refused.retry_in, Some(Duration::from_secs(20)));
        assert_eq!(refused.full_in, MINUTE);
        assert_eq!(limiter.take('b', at).remaining, 2);
        assert_eq!(limiter.take('a', at + MINUTE).remaining, 2);
    }

    proptest! {
        /// No more bytes pass than the bucket held and what flowed in, except for one request that may be
        /// larger than the bucket. A request that waits for the returned time passes.
        #[test]
        fn bytes_flow_as_the_quota_says(
            limit in 1_u64..10_000_000_000,
            asked in prop::collection::vec((0_u64..120_000, 0_u64..20_000_000_000), 1..100),
        ) {
            let quota = ByteQuota::per_minute(NonZeroU64::new(limit).unwrap());
            let (mut now, mut full_at, mut gone, mut largest) = (Duration::ZERO, Duration::ZERO, 0, 0);
            for (wait, bytes) in asked {
                now += Duration::from_millis(wait);
                match quota.take(full_at, now, bytes) {
                    Ok(after) => {
                        full_at = after;
                        gone += u128::from(bytes);
                        largest = largest.max(bytes);
                    }
                    Err(retry_in) => {
                        prop_assert!(quota.take(full_at, now + retry_in, bytes).is_ok());
                        let early = now + retry_in.saturating_sub(Duration::from_nanos(1));
                        prop_assert!(quota.take(full_at, early, bytes).is_err());
                    }
                }
                let flowed = u128::from(limit) * now.as_nanos() / MINUTE.as_nanos();
                let rounding = 200 * (1 + u128::from(limit) / 60_000_000_000);
                prop_assert!(gone <= u128::from(limit.max(largest)) + flowed + rounding);
            }
        }
    }

    #[test]
    fn a_body_larger_than_the_quota_goes_when_nothing_is_owed_and_is_paid_for() {
        let mut limiter =
            ByteRateLimiter::new(ByteQuota::per_minute(NonZeroU64::new(1000).unwrap()), 4);
        let at = Duration::from_secs(1000);
        assert_eq!(limiter.take('a', at, 3000), Ok(()));
        assert_eq!(limiter.take('b', at, 1000), Ok(()), "another's");
        let one = Duration::from_millis(60);
        assert_eq!(limiter.take('a', at, 1), Err(2 * MINUTE + one));
        assert_eq!(limiter.take('a', at + 2 * MINUTE, 1), Err(one));
        assert_eq!(limiter.take('a', at + 2 * MINUTE + one, 1), Ok(()));
        assert_eq!(
            limiter.take('a', at + 3 * MINUTE, 3000),
            Err(one),
            "not full yet"
        );
        assert_eq!(limiter.take('a', at + 3 * MINUTE + one, 3000), Ok(()));
    }
}
