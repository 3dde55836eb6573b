//! The rate of a job.

use std::time::Instant;

/// The rate of a job: a bucket that fills steadily and holds what one second brings, one event at least. So a job
/// that was held up does not make up for it in a burst.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    per_second: f64,
    room: f64,
    filled_at: Instant,
}

impl Pace {
    /// Returns the pace of so many events a minute. The first event may go at once.
    pub(super) fn new(per_minute: u32, now: Instant) -> Self {
        Self {
            per_second: f64::from(per_minute) / 60.0,
            room: 1.0,
            filled_at: now,
        }
    }

    /// Returns the number of events that may go now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the room is between zero and a second's worth"
    )]
    pub(super) fn allowed(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.filled_at);
        self.filled_at = now;
        let most = self.per_second.max(1.0);
        self.room = (self.room + passed.as_secs_f64() * self.per_second).min(most);
        self.room as usize
    }

    /// Notes that so many events have gone.
    pub(super) fn take(&mut self, events: usize) {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.room = (self.room - f64::from(events)).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pace_is_kept_however_the_time_is_cut(
            per_minute in 1..60_000_u32,
            steps in prop::collection::vec(0..3_000_u64, 1..100),
        ) {
            let start = Instant::now();
            let mut pace = Pace::new(per_minute, start);
            let (mut now, mut gone) = (start, 0);
            for step in steps {
                now += Duration::from_millis(step);
                let allowed = pace.allowed(now);
                pace.take(allowed);
                gone += u32::try_from(allowed).unwrap();
            }
            let second = f64::from(per_minute) / 60.0;
            let most = (now - start).as_secs_f64() * second + second.max(1.0) + 1.0;
            prop_assert!(f64::from(gone) <= most, "{gone} of {most}");
        }
    }

    #[test]
    fn one_event_a_minute_goes_at_once_and_then_each_minute() {
        let start = Instant::now();
        let mut pace = Pace::new(1, start);
        let mut gone = Vec::new();
        for second in 0..200 {
            if pace.allowed(start + Duration::from_secs(second)) > 0 {
                pace.take(1);
                gone.push(second);
            }
        }
        assert_eq!(gone.len(), 4, "{gone:?}");
        assert_eq!(gone[0], 0);
    }
}
