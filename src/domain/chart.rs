//! Charts of attempts over time: how many succeeded and failed in each period, and how long they took.

use std::time::Duration;

use super::attempt_failure::AttemptFailure;
use super::clock::Timestamp;
use super::latency::LatencyHistogram;
use super::words::words;

words! {
    /// The time that a chart shows, up to now.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum ChartRange {
        /// An hour, by the minute.
        Hour = "1h",
        /// A day, by the quarter of an hour.
        Day = "24h",
        /// A week, by two hours.
        Week = "7d",
        /// Thirty days, by eight hours.
        Month = "30d",
    }
}

impl ChartRange {
    /// Returns the length of a bucket.
    #[must_use]
    pub const fn bucket(self) -> Duration {
        Duration::from_mins(match self {
            Self::Hour => 1,
            Self::Day => 15,
            Self::Week => 120,
            Self::Month => 480,
        })
    }

    /// Returns the number of buckets.
    #[must_use]
    pub const fn buckets(self) -> u16 {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
            Self::Week => 84,
            Self::Month => 90,
        }
    }

    /// Returns the time at which the chart begins. Buckets begin at multiples of their length since the Unix
    /// epoch, and the last one is that of `now`, which has not ended yet.
    #[must_use]
    pub fn start(self, now: Timestamp) -> Timestamp {
        let before = self.bucket() * u32::from(self.buckets() - 1);
        self.bucket_start(now).before(before)
    }

    /// Returns the start of the bucket that a time is in.
    fn bucket_start(self, at: Timestamp) -> Timestamp {
        let past = at.micros().rem_euclid(micros(self.bucket()));
        Timestamp::from_micros(at.micros().saturating_sub(past))
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// The attempts that a chart shows, among those that the caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartScope {
    /// All of them.
    All,
    /// Those of a workspace.
    Workspace(uuid::Uuid),
    /// Those to an endpoint.
    Endpoint(uuid::Uuid),
}

/// The facts of an attempt that charts count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartedAttempt {
    /// Set if the answer was a 2xx.
    pub succeeded: bool,
    /// Set if it was not the first attempt of its event, over all runs.
    pub is_retry: bool,
    /// The time that it took; `None` if it stands for no request.
    pub duration_ms: Option<u32>,
}

impl ChartedAttempt {
    /// Makes the facts of a recorded attempt: `attempt` is its number, from 1 on, over all runs of its event.
    #[must_use]
    pub fn new(
        succeeded: bool,
        attempt: u32,
        error: Option<AttemptFailure>,
        duration_ms: u32,
    ) -> Self {
        Self {
            succeeded,
            is_retry: attempt > 1,
            duration_ms: (error != Some(AttemptFailure::Expired)).then_some(duration_ms),
        }
    }
}

/// The counts of attempts in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    /// Attempts that were answered with a 2xx.
    pub succeeded: u64,
    /// Attempts that were not.
    pub failed: u64,
    /// Attempts, of either kind, that were not the first of their event.
    pub retried: u64,
    /// The times that the attempts took.
    pub latency: LatencyHistogram,
}

impl AttemptCounts {
    /// Counts an attempt.
    pub fn record(&mut self, attempt: ChartedAttempt) {
        let count = if attempt.succeeded {
            &mut self.succeeded
        } else {
            &mut self.failed
        };
        *count = count.saturating_add(1);
        self.retried = self.retried.saturating_add(u64::from(attempt.is_retry));
        if let Some(duration_ms) = attempt.duration_ms {
            self.latency.record(duration_ms);
        }
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        self.failed = self.failed.saturating_add(other.failed);
        self.retried = self.retried.saturating_add(other.retried);
        self.latency.merge(&other.latency);
    }
}

/// One period of a chart, or all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChartBucket {
    /// Attempts that were answered with a 2xx.
    pub succeeded: u64,
    /// Attempts that were not.
    pub failed: u64,
    /// Attempts, of either kind, that were not the first of their event.
    pub retried: u64,
    /// The duration, in milliseconds, that half of the attempts did not exceed, to about an eighth; `None` if
    /// there were none.
    pub p50_ms: Option<u32>,
    /// The duration, in milliseconds, that 99 of 100 attempts did not exceed, to about an eighth; `None` if there
    /// were none.
    pub p99_ms: Option<u32>,
}

impl From<&AttemptCounts> for ChartBucket {
    fn from(counts: &AttemptCounts) -> Self {
        Self {
            succeeded: counts.succeeded,
            failed: counts.failed,
            retried: counts.retried,
            p50_ms: counts.latency.percentile(50),
            p99_ms: counts.latency.percentile(99),
        }
    }
}

/// A chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// The time that it shows.
    pub range: ChartRange,
    /// The start of its first bucket.
    pub start: Timestamp,
    /// Its buckets, oldest first: [`ChartRange::buckets`] of them, each [`ChartRange::bucket`] long. The last one
    /// has not ended yet.
    pub buckets: Vec<ChartBucket>,
    /// The sum of all buckets, with the percentiles over all of them.
    pub total: ChartBucket,
}

/// A chart that is being added up.
#[derive(Clone, Debug)]
pub struct ChartSum {
    range: ChartRange,
    start: Timestamp,
    buckets: Vec<AttemptCounts>,
}

impl ChartSum {
    /// Makes an empty chart.
    #[must_use]
    pub fn new(range: ChartRange, now: Timestamp) -> Self {
        Self {
            range,
            start: range.start(now),
            buckets: vec![AttemptCounts::default(); usize::from(range.buckets())],
        }
    }

    /// Returns the start of the first bucket.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// Adds the counts of attempts made at about a time: in a period that lies in one bucket as a whole, and that
    /// `at` is in. Times before the chart and after its end are left out.
    pub fn add(&mut self, at: Timestamp, counts: &AttemptCounts) {
        let past = at.micros().saturating_sub(self.start.micros());
        let bucket = usize::try_from(past.div_euclid(micros(self.range.bucket())));
        if let Ok(bucket) = bucket
            && let Some(sum) = self.buckets.get_mut(bucket)
        {
            sum.merge(counts);
        }
    }

    /// Returns the chart.
    #[must_use]
    pub fn finish(self) -> Chart {
        let mut total = AttemptCounts::default();
        for bucket in &self.buckets {
            total.merge(bucket);
        }
        Chart {
            range: self.range,
            start: self.start,
            buckets: self.buckets.iter().map(ChartBucket::from).collect(),
            total: ChartBucket::from(&total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(succeeded: bool) -> AttemptCounts {
        let mut counts = AttemptCounts::default();
        counts.record(ChartedAttempt::new(succeeded, 1, None, 5));
        counts
    }

    #[test]
    fn the_ranges_are_as_long_as_they_say() {
        let lengths = ChartRange::ALL.map(|range| range.bucket() * u32::from(range.buckets()));
        assert_eq!(lengths, [1, 24, 7 * 24, 30 * 24].map(Duration::from_hours));
        for range in ChartRange::ALL {
            assert_eq!(ChartRange::parse(range.as_str()), Some(range));
        }
        assert_eq!(ChartRange::parse("1d"), None);
    }

    #[test]
    fn the_last_bucket_is_the_present_one_and_other_times_are_left_out() {
        for range in ChartRange::ALL {
            for now in [1_790_000_000_000_000, 0, -1, i64::MAX, i64::MIN] {
                let now = Timestamp::from_micros(now);
                let mut sum = ChartSum::new(range, now);
                let start = sum.start();
                sum.add(now, &one(true));
                sum.add(start, &one(false));
                sum.add(start.before(Duration::from_micros(1)), &one(true));
                sum.add(now.after(range.bucket()), &one(true));
                sum.add(Timestamp::from_micros(i64::MIN), &one(true));
                sum.add(Timestamp::from_micros(i64::MAX), &one(true));
                let chart = sum.finish();
                assert_eq!(chart.buckets.len(), usize::from(range.buckets()));
                assert_eq!(chart.range, range);
                if now.micros().unsigned_abs() < 1 << 60 {
                    assert_eq!((chart.total.succeeded, chart.total.failed), (1, 1));
                    assert_eq!(chart.buckets[0].failed, 1);
                    assert_eq!(chart.buckets.last().unwrap().succeeded, 1);
                }
            }
        }
    }

    #[test]
    fn a_record_that_stands_for_no_request_has_no_duration() {
        let mut counts = AttemptCounts::default();
        counts.record(ChartedAttempt::new(
            false,
            3,
            Some(AttemptFailure::Expired),
            0,
        ));
        assert_eq!(
            (counts.failed, counts.retried, counts.latency.count()),
            (1, 1, 0)
        );
        let bucket = ChartBucket::from(&counts);
        assert_eq!((bucket.p50_ms, bucket.p99_ms), (None, None));
    }
}
