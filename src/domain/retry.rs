//! When a failed attempt is made again. A pure function of what happened and a random number.

use std::time::Duration;

use super::clock::Timestamp;

/// How far a wait is varied either way, so that events that failed together come back apart.
const JITTER: f64 = 0.2;

/// The longest that `Retry-After` holds an event.
pub const EVENT_HOLD_MAX: Duration = Duration::from_hours(24);

/// The longest that `Retry-After` holds an endpoint.
pub const ENDPOINT_HOLD_MAX: Duration = Duration::from_hours(1);

/// The schedule of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Waits before the second, third … attempt.
    pub waits: Vec<Duration>,
    /// A run that is not finished so long after it began fails with its next attempt, or while it waits for
    /// it: but never without any.
    pub expire_after: Duration,
}

impl RetryPolicy {
    /// When the attempt after `made` attempts of a run is due; `None`: the schedule is used up, or the run
    /// is over.
    ///
    /// `retry_after` never shortens the wait. `random` is uniform in 0..1.
    #[must_use]
    pub fn next_due(
        &self,
        made: u32,
        run_started: Timestamp,
        now: Timestamp,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Option<Timestamp> {
        let wait = *self
            .waits
            .get(usize::try_from(made.checked_sub(1)?).ok()?)?;
        let end = self.expires_at(run_started);
        if now >= end {
            return None;
        }
        let hold = retry_after.unwrap_or_default().min(EVENT_HOLD_MAX);
        let due = now.after(vary(wait, random).max(hold));
        // An event must not wait beyond the end of its run: then its last attempt is made.
        Some(due.min(end))
    }

    /// When a run is over, finished or not.
    #[must_use]
    pub fn expires_at(&self, run_started: Timestamp) -> Timestamp {
        run_started.after(self.expire_after)
    }
}

/// `wait`, up to [`JITTER`] longer or shorter. `random` is uniform in 0..1.
#[must_use]
pub fn vary(wait: Duration, random: f64) -> Duration {
    wait.mul_f64((1.0 - JITTER) + 2.0 * JITTER * random.clamp(0.0, 1.0))
}

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date in the format of
/// section 5.6.7, also in its obsolete spellings. `None` for anything else.
#[must_use]
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit mean "for ever"; the caller caps it.
        return Some(Duration::from_secs(
            value.parse().unwrap_or(u64::from(u32::MAX)),
        ));
    }
    let date = parse_http_date(value)?;
    Some(date.since(now))
}

/// IMF-fixdate, RFC 850 and asctime dates: the day's name is passed over, the rest is put in order.
fn parse_http_date(value: &str) -> Option<Timestamp> {
    let words: Vec<&str> = value
        .split([' ', ',', '-'])
        .filter(|word| !word.is_empty())
        .collect();
    let ([_, day, month, year, clock, "GMT" | "UTC"] | [_, month, day, clock, year]) = words[..]
    else {
        return None;
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    let year: u16 = match (year.len(), year.parse::<u16>().ok()?) {
        (4, year) => year,
        // Two digits: this century, as every such sender that is still alive means it.
        (2, year) => 2000 + year,
        _ => return None,
    };
    Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}T{clock}Z")).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn policy() -> RetryPolicy {
        RetryPolicy {
            waits: vec![Duration::from_secs(5), Duration::from_secs(30)],
            expire_after: Duration::from_hours(72),
        }
    }

    #[test]
    fn waits_follow_the_schedule_until_it_is_used_up() {
        let due = |made| policy().next_due(made, NOW, NOW, None, 0.5);
        assert_eq!(due(1), Some(NOW.after(Duration::from_secs(5))));
        assert_eq!(due(2), Some(NOW.after(Duration::from_secs(30))));
        assert_eq!(due(3), None);
    }

    #[test]
    fn retry_after_lengthens_only_and_is_capped() {
        let due = |seconds| {
            let hold = Some(Duration::from_secs(seconds));
            policy()
                .next_due(1, NOW, NOW, hold, 0.5)
                .unwrap()
                .since(NOW)
        };
        assert_eq!(due(1), Duration::from_secs(5));
        assert_eq!(due(60), Duration::from_mins(1));
        assert_eq!(due(1_000_000), EVENT_HOLD_MAX);
    }

    #[test]
    fn no_wait_goes_beyond_the_end_of_the_run() {
        let started = NOW.before(Duration::from_secs(72 * 3600 - 2));
        let due = policy().next_due(1, started, NOW, None, 0.5).unwrap();
        assert_eq!(due, NOW.after(Duration::from_secs(2)));
        let at_the_end = NOW.after(Duration::from_secs(2));
        assert_eq!(policy().next_due(2, started, at_the_end, None, 0.5), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_dates() {
        let hour = Some(Duration::from_hours(1));
        assert_eq!(parse_retry_after("3600", NOW), hour);
        assert_eq!(
            parse_retry_after("Tue, 14 Nov 2023 23:13:20 GMT", NOW),
            hour
        );
        assert_eq!(
            parse_retry_after("Tuesday, 14-Nov-23 23:13:20 GMT", NOW),
            hour
        );
        assert_eq!(parse_retry_after("Tue Nov 14 23:13:20 2023", NOW), hour);
        let past = parse_retry_after("Tue, 14 Nov 2000 23:13:20 GMT", NOW);
        assert_eq!(past, Some(Duration::ZERO));
        for bad in [
            "",
            "soon",
            "-5",
            "1.5",
            "Tue, 99 Nov 2023 23:13:20 GMT",
            "1 2 3",
        ] {
            assert_eq!(parse_retry_after(bad, NOW), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_fifth(millis in 0_u64..100_000_000, random in 0.0_f64..1.0) {
            let varied = vary(Duration::from_millis(millis), random).as_secs_f64();
            let wait = Duration::from_millis(millis).as_secs_f64();
            prop_assert!(varied >= wait * 0.799_999 && varied <= wait * 1.200_001);
        }

        #[test]
        fn no_header_panics(value in "\\PC{0,40}") {
            let _ = parse_retry_after(&value, NOW);
        }
    }
}
