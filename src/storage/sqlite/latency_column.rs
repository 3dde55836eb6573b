//! The column of a histogram of durations: the bins that have any, as a byte for the bin and its count in base 128,
//! lowest digits first, with the highest bit set in all bytes of a count but the last.
//!
//! Most histograms have some ten bins, so a row of a chart stays below a hundred bytes.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

use crate::domain::latency::LatencyHistogram;

/// Set in all bytes of a count but the last.
const MORE: u8 = 0x80;

/// Returns the stored form of a histogram.
fn encode(histogram: &LatencyHistogram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(histogram.bins().len() * 3);
    for (bin, count) in histogram.bins() {
        bytes.push(*bin);
        let mut left = *count;
        while left >= u64::from(MORE) {
            bytes.push(left.to_le_bytes()[0] | MORE);
            left >>= 7;
        }
        bytes.push(left.to_le_bytes()[0]);
    }
    bytes
}

/// Reads the stored form; `None` if it is damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<LatencyHistogram> {
    let mut bins = Vec::new();
    let mut rest = bytes.iter();
    while let Some(bin) = rest.next() {
        let mut count = 0_u64;
        for shift in (0..).step_by(7) {
            let byte = rest.next()?;
            let digit = u64::from(byte & !MORE);
            count |= digit
                .checked_shl(shift)
                .filter(|shifted| shifted >> shift == digit)?;
            if byte & MORE == 0 {
                break;
            }
        }
        bins.push((*bin, count));
    }
    LatencyHistogram::from_bins(bins)
}

impl ToSql for LatencyHistogram {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(encode(self).into())
    }
}

impl FromSql for LatencyHistogram {
    /// Reads a damaged histogram as an empty one: a chart without it is better than none.
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(decode(value.as_blob()?).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::latency::BINS;

    proptest! {
        #[test]
        fn a_histogram_is_read_as_it_was_written(
            counts in prop::collection::btree_map(0..BINS, prop_oneof![1..300_u64, 1..=u64::MAX], 0..20)
        ) {
            let histogram = LatencyHistogram::from_bins(counts.into_iter().collect()).unwrap();
            let bytes = encode(&histogram);
            for end in 0..bytes.len() {
                let cut = decode(&bytes[..end]);
                prop_assert_ne!(cut.as_ref(), Some(&histogram));
            }
            prop_assert_eq!(decode(&bytes), Some(histogram));
        }

        #[test]
        fn any_bytes_are_a_histogram_or_damaged(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(histogram) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&histogram)), Some(histogram));
            }
        }
    }
}
