//! Histograms of durations, which give quantiles without keeping every duration.
//!
//! A bin is at most a quarter as wide as the durations in it are long, and a quantile is the middle of its bin:
//! so it differs from the exact one by at most an eighth. Histograms are added up bin by bin, which loses
//! nothing, so those of minutes make those of hours.

/// The number of bins. The last begins at 114,688 ms, and takes all that is longer: the longest attempt is
/// 120 seconds.
pub const BINS: u8 = 64;

/// The durations up to this one, in milliseconds, have a bin each.
const EXACT_MAX_MS: u32 = 7;

/// Bins for each doubling of the duration, as a power of two.
const BINS_PER_OCTAVE_LOG2: u32 = 2;

/// The numbers of durations in each bin; bins without any are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// Bins and their counts, by bin.
    bins: Vec<(u8, u64)>,
}

impl LatencyHistogram {
    /// Makes a histogram of bins and their counts. Returns `None` if a bin does not exist, has no durations, or
    /// does not come after the one before.
    #[must_use]
    pub fn from_bins(bins: Vec<(u8, u64)>) -> Option<Self> {
        let are_counted = bins.iter().all(|(bin, count)| *bin < BINS && *count > 0);
        let are_sorted = bins.is_sorted_by(|(before, _), (after, _)| before < after);
        (are_counted && are_sorted).then_some(Self { bins })
    }

    /// Returns the bins that have durations, and their counts, shortest durations first.
    #[must_use]
    pub fn bins(&self) -> &[(u8, u64)] {
        &self.bins
    }

    /// Counts a duration, in milliseconds.
    pub fn record(&mut self, duration_ms: u32) {
        self.add(bin_of(duration_ms), 1);
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (bin, count) in &other.bins {
            self.add(*bin, *count);
        }
    }

    fn add(&mut self, bin: u8, count: u64) {
        match self.bins.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(at) => self.bins[at].1 = self.bins[at].1.saturating_add(count),
            Err(at) => self.bins.insert(at, (bin, count)),
        }
    }

    /// Returns the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counts = self.bins.iter().map(|(_, count)| *count);
        counts.fold(0, u64::saturating_add)
    }

    /// Returns the duration, in milliseconds, that `percent` of all durations do not exceed, to about an eighth;
    /// `None` if there are no durations.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<u32> {
        let of = u128::from(self.count()) * u128::from(percent);
        let rank = of.div_ceil(100).max(1);
        let mut before = 0;
        let found = self.bins.iter().find(|(_, count)| {
            before += u128::from(*count);
            before >= rank
        });
        found.map(|(bin, _)| middle_of(*bin))
    }
}

/// Returns the bin of a duration: the place of its highest bit, and the two bits after that.
fn bin_of(duration_ms: u32) -> u8 {
    if duration_ms <= EXACT_MAX_MS {
        return u8::try_from(duration_ms).unwrap_or(0);
    }
    let shift = duration_ms.ilog2() - BINS_PER_OCTAVE_LOG2;
    let bin = (shift << BINS_PER_OCTAVE_LOG2) + (duration_ms >> shift);
    u8::try_from(bin).unwrap_or(BINS).min(BINS - 1)
}

/// Returns the shortest duration of a bin, in milliseconds.
fn start_of(bin: u32) -> u32 {
    if bin <= EXACT_MAX_MS {
        return bin;
    }
    let shift = (bin >> BINS_PER_OCTAVE_LOG2) - 1;
    (bin - (shift << BINS_PER_OCTAVE_LOG2)) << shift
}

/// Returns the duration in the middle of a bin, in milliseconds.
fn middle_of(bin: u8) -> u32 {
    let (start, next) = (start_of(u32::from(bin)), start_of(u32::from(bin) + 1));
    start + (next - start - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bins_follow_each_other_without_gaps() {
        for bin in 0..BINS {
            let (start, next) = (start_of(u32::from(bin)), start_of(u32::from(bin) + 1));
            assert_eq!(bin_of(start), bin);
            assert_eq!(bin_of(next - 1), bin);
            assert!(middle_of(bin) >= start && middle_of(bin) < next);
        }
        assert_eq!(start_of(u32::from(BINS) - 1), 114_688);
        assert_eq!(bin_of(120_000), BINS - 1);
        assert_eq!(bin_of(u32::MAX), BINS - 1);
    }

    #[test]
    fn nothing_has_no_percentile_and_bad_bins_are_refused() {
        assert_eq!(LatencyHistogram::default().percentile(50), None);
        for bad in [
            vec![(BINS, 1)],
            vec![(3, 0)],
            vec![(3, 1), (3, 1)],
            vec![(4, 1), (3, 1)],
        ] {
            assert_eq!(LatencyHistogram::from_bins(bad), None);
        }
        assert!(LatencyHistogram::from_bins(vec![(3, 1), (4, 9)]).is_some());
    }

    proptest! {
        #[test]
        fn a_percentile_differs_from_the_exact_one_by_an_eighth_at_most(
            mut durations in prop::collection::vec(prop_oneof![0..20_u32, 0..1000_u32, 0..=120_000_u32], 1..200),
            split in 0..200_usize,
            percent in 0..=100_u8,
        ) {
            let (first, second) = durations.split_at(split.min(durations.len()));
            let histogram = |durations: &[u32]| {
                let mut histogram = LatencyHistogram::default();
                for duration in durations {
                    histogram.record(*duration);
                }
                histogram
            };
            let mut merged = histogram(first);
            merged.merge(&histogram(second));
            prop_assert_eq!(&merged, &histogram(&durations));
            prop_assert_eq!(merged.count(), durations.len() as u64);
            prop_assert_eq!(LatencyHistogram::from_bins(merged.bins().to_vec()), Some(merged.clone()));
            durations.sort_unstable();
            let rank = (durations.len() * usize::from(percent)).div_ceil(100).max(1);
            let exact = durations[rank - 1];
            let found = merged.percentile(percent).unwrap();
            prop_assert!(found.abs_diff(exact) * 8 <= exact, "{found} for {exact}");
        }
    }
}
