//! Numbers that are compared by value, however they are written.

use std::cmp::Ordering;

/// The range in which whole numbers are kept exactly: 2 to the power of 64, on both sides of zero. The integers of 64
/// bits with and without a sign are in it.
const WHOLE_MAX: f64 = 18_446_744_073_709_551_616.0;

/// The value of a JSON number: an integer of up to 64 bits exactly, any other number as the nearest binary64
/// (IEEE 754). So `1`, `1.0` and `1e0` are one value, and two long integers that differ are two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// A whole number within [`WHOLE_MAX`].
    Whole(i128),
    /// A number with a fraction, or beyond [`WHOLE_MAX`], which may be infinite.
    Other(f64),
}

impl Number {
    /// Reads a number that the scanner has checked.
    pub(super) fn parse(text: &str) -> Self {
        // Most numbers are short, and 64 bits are read much faster than 128.
        if let Ok(whole) = text.parse::<i64>() {
            return Self::Whole(whole.into());
        }
        if let Ok(whole) = text.parse::<i128>()
            && (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&whole)
        {
            return Self::Whole(whole);
        }
        // The grammar of JSON is a part of what this reads, so there is always a value.
        let value: f64 = text.parse().unwrap_or(f64::INFINITY);
        if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it is whole and within the range"
            )]
            return Self::Whole(value as i128);
        }
        Self::Other(value)
    }

    /// Reports whether the number is within the range of binary64.
    pub(super) const fn is_finite(self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Other(value) => value.is_finite(),
        }
    }

    /// Compares two values. The order is exact: a number that is not whole has no more than 53 bits before the point,
    /// or is beyond all whole ones.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            (Self::Whole(one), Self::Other(other)) => nearest(one).total_cmp(&other),
            (Self::Other(one), Self::Whole(other)) => one.total_cmp(&nearest(other)),
            (Self::Other(one), Self::Other(other)) => one.total_cmp(&other),
        }
    }
}

/// Returns the binary64 that is nearest to a whole number, to compare it with a number that is not whole.
///
/// Never inlined: the conversion is slow, and in line it is done for two whole numbers as well.
#[inline(never)]
#[expect(
    clippy::cast_precision_loss,
    reason = "what is lost does not change which side of a fraction it is on"
)]
fn nearest(whole: i128) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(one: &str, other: &str) -> Ordering {
        let order = Number::parse(one).compare(Number::parse(other));
        assert_eq!(
            order == Ordering::Equal,
            Number::parse(one) == Number::parse(other)
        );
        order
    }

    #[test]
    fn the_spelling_does_not_matter() {
        for same in [
            ["1", "1.0"],
            ["1", "1e0"],
            ["100", "1E+2"],
            ["-0", "0.0"],
            ["0", "-0.0"],
            ["0.1", "1e-1"],
            ["9007199254740992.0", "9007199254740992"],
            ["18446744073709551616", "1.8446744073709551616e19"],
            ["1e400", "1e500"],
        ] {
            assert_eq!(order(same[0], same[1]), Ordering::Equal, "{same:?}");
        }
    }

    #[test]
    fn long_integers_are_compared_exactly() {
        for [less, more] in [
            ["9007199254740992", "9007199254740993"],
            ["18446744073709551614", "18446744073709551615"],
            ["18446744073709551615", "18446744073709551616"],
            ["-9223372036854775808", "-9223372036854775807"],
            ["9223372036854775807", "1e19"],
            ["-1e400", "-9223372036854775808"],
            ["18446744073709551615", "1e20"],
            ["4503599627370495", "4503599627370495.5"],
            ["4503599627370495.5", "4503599627370496"],
            ["0.1", "0.2"],
            ["-0.5", "0"],
        ] {
            assert_eq!(order(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(order(more, less), Ordering::Greater, "{more} {less}");
        }
    }

    proptest! {
        #[test]
        fn integers_are_in_their_order(one in any::<i64>(), other in any::<u64>()) {
            let expected = i128::from(one).cmp(&i128::from(other));
            prop_assert_eq!(order(&one.to_string(), &other.to_string()), expected);
        }

        #[test]
        fn others_are_in_the_order_of_binary64(one in -1e30_f64..1e30, other in -1e30_f64..1e30) {
            let expected = one.partial_cmp(&other).unwrap();
            let (one, other) = (format!("{one:e}"), format!("{other:e}"));
            prop_assert_eq!(order(&one, &other), expected);
        }
    }
}
