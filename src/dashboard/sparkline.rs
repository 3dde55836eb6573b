//! Small drawings of the last day of an endpoint, for rows of tables.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;

use super::view::Count;
use crate::domain::overview::{HourCounts, SUMMARY_HOURS};

/// The width of an hour, with the gap after its bar.
const STEP: usize = 5;
/// The width of a bar.
const BAR: usize = 4;
/// The room for succeeded attempts, above the line.
const ABOVE: u64 = 16;
/// The room for failed attempts, below the line.
const BELOW: u64 = 10;

/// The attempts of each hour: succeeded ones are bars above a line, failed ones below it, so that the two differ
/// without colours as well. Both have the same scale.
pub(super) struct Sparkline<'a>(pub(super) &'a [HourCounts; SUMMARY_HOURS]);

impl HtmlSafe for Sparkline<'_> {}

impl Display for Sparkline<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let hours = self.0;
        let (succeeded, failed) = hours.iter().fold((0, 0), |(succeeded, failed), hour| {
            (succeeded + hour.succeeded, failed + hour.failed)
        });
        let words = format!(
            "The last {SUMMARY_HOURS} hours: {} succeeded, {} failed",
            Count(succeeded),
            Count(failed)
        );
        let (width, height) = (SUMMARY_HOURS * STEP, ABOVE + BELOW + 1);
        write!(
            f,
            "<span class=\"spark\"><svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{words}\"><title>{words}</title>\
             <path class=\"axis\" d=\"M0 {ABOVE}h{width}v1H0z\"/>"
        )?;
        let most_up = hours.iter().map(|hour| hour.succeeded).max().unwrap_or(0);
        let most_down = hours.iter().map(|hour| hour.failed).max().unwrap_or(0);
        for (class, top) in [("ok", true), ("no", false)] {
            f.write_str("<path class=\"")?;
            f.write_str(class)?;
            f.write_str("\" d=\"")?;
            for (place, hour) in hours.iter().enumerate() {
                let count = if top { hour.succeeded } else { hour.failed };
                let length = length(count, top, most_up, most_down);
                if length == 0 {
                    continue;
                }
                let x = place * STEP;
                if top {
                    write!(f, "M{x} {ABOVE}v-{length}h{BAR}v{length}z")?;
                } else {
                    write!(f, "M{x} {}v{length}h{BAR}v-{length}z", ABOVE + 1)?;
                }
            }
            f.write_str("\"/>")?;
        }
        f.write_str("</svg></span>")
    }
}

/// Returns the length of a bar, which is at least 1 for any attempt. The longest bar of one of the two sides fills its
/// room.
fn length(count: u64, is_above: bool, most_up: u64, most_down: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    let (up, down) = (u128::from(most_up), u128::from(most_down));
    let (above, below) = (u128::from(ABOVE), u128::from(BELOW));
    // The side whose longest bar needs more of its room sets the scale: up/above against down/below.
    let (most, room) = if up * below >= down * above {
        (up, above)
    } else {
        (down, below)
    };
    let side = if is_above { ABOVE } else { BELOW };
    let length = u128::from(count) * room / most.max(1);
    u64::try_from(length).unwrap_or(side).clamp(1, side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_one_scale_and_no_attempt_is_lost() {
        assert_eq!(length(100, true, 100, 3), ABOVE);
        assert_eq!(length(3, false, 100, 3), 1);
        assert_eq!(length(0, true, 100, 3), 0);
        assert_eq!(length(50, false, 0, 50), BELOW);
        assert_eq!(length(25, false, 0, 50), BELOW / 2);
        assert_eq!(length(u64::MAX, true, u64::MAX, u64::MAX), BELOW);
    }

    #[test]
    fn the_drawing_says_its_numbers() {
        let mut hours = [HourCounts::default(); SUMMARY_HOURS];
        hours[0].succeeded = 4;
        hours[23].failed = 1;
        let svg = Sparkline(&hours).to_string();
        assert!(svg.contains("24 hours: 4 succeeded, 1 failed"), "{svg}");
        assert!(svg.contains("M0 16v-16h4v16z"), "{svg}");
        assert!(svg.contains("M115 17v4h4v-4z"), "{svg}");
    }
}
