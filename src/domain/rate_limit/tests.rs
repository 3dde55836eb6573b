//! Buckets against a plain model, and their limits.

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
