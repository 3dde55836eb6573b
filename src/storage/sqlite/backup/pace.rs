//! The pace of a backup: pauses, so that it leaves disk and processor to the server.

use std::time::{Duration, Instant};

/// The least pause. Shorter ones would cost more than they give.
const LEAST_PAUSE: Duration = Duration::from_millis(2);

/// A limit of bytes per second. Time that was lost is not made up for: a burst is what the limit is against.
pub(super) struct Pace {
    /// Bytes per second; 0: no limit.
    rate: u64,
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: u64) -> Self {
        Self {
            rate,
            next: Instant::now(),
        }
    }

    /// Waits as long as so many bytes may take.
    pub(super) fn wait(&mut self, bytes: u64) {
        if let Some(pause) = self.pause(bytes, Instant::now()) {
            std::thread::sleep(pause);
        }
    }

    fn pause(&mut self, bytes: u64, now: Instant) -> Option<Duration> {
        if self.rate == 0 {
            return None;
        }
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.next = self.next.max(now) + takes;
        let pause = self.next - now;
        (pause >= LEAST_PAUSE).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_and_lost_time_is_not_made_up_for() {
        let mut pace = Pace::new(1_000_000);
        let start = Instant::now() + Duration::from_secs(1);
        let ms = Duration::from_millis;
        assert_eq!(pace.pause(1000, start), None, "1 ms is not worth a pause");
        assert_eq!(pace.pause(4000, start), Some(ms(5)));
        let later = start + ms(500);
        assert_eq!(pace.pause(10_000, later), Some(ms(10)));
        assert_eq!(Pace::new(0).pause(u64::MAX, start), None);
    }
}
