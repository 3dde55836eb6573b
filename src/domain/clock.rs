//! Time: the wall clock, the monotonic clock, and a replacement for both that tests move.
//!
//! Times that are stored or sent to a receiver come from the wall clock, in microseconds since the Unix
//! epoch. The wall clock may jump, so nothing waits on it directly. The engine waits on the monotonic clock.

mod spelling;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The largest change of the wall clock that is no step, but drift or a correction by NTP.
pub const CLOCK_STEP: Duration = Duration::from_secs(1);

/// A point in time: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The error for a system clock that shows a time before 1970, where stored times begin.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the system's clock stands before 1970; set it, and start again")]
pub struct ClockNotSet;

/// The reason why a text is not a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampProblem {
    /// It is a date and a time without a zone.
    NoZone,
    /// It is not a date and a time.
    Unreadable,
    /// It is one, but common parsers refuse it, for this reason.
    Refused(&'static str),
}

impl Timestamp {
    /// Makes a time of microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Returns the time `by` later, but no later than the last possible one.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(by)))
    }

    /// Returns the time `by` earlier, but no earlier than the first possible one.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(by)))
    }

    /// Returns the time from `earlier` until this; zero if this is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reports whether this is later than `earlier` by more than a [`CLOCK_STEP`]. If this time was read from
    /// the wall clock, and the clock now shows `earlier`, then the clock was set back.
    #[must_use]
    pub fn is_a_step_after(self, earlier: Self) -> bool {
        self.since(earlier) > CLOCK_STEP
    }

    /// Reads RFC 3339, and common variants of it: a space in place of the `T`, no time of day, no seconds, an
    /// offset without colon or minutes.
    ///
    /// # Errors
    /// [`TimestampProblem::NoZone`] if the zone is missing, also for a date alone: a wrong guess would shift
    /// the time. [`TimestampProblem::Unreadable`] for any other text.
    pub fn parse(text: &str) -> Result<Self, TimestampProblem> {
        let spelled = spelling::regular(text).ok_or(TimestampProblem::Unreadable)?;
        if let Ok(time) = OffsetDateTime::parse(&spelled, &Rfc3339) {
            return Ok(Self::from_offset(time));
        }
        match OffsetDateTime::parse(&format!("{spelled}Z"), &Rfc3339) {
            Ok(_) => Err(TimestampProblem::NoZone),
            Err(_) => Err(TimestampProblem::Unreadable),
        }
    }

    /// Returns a time that a producer wrote, in a spelling that receivers can read in every language: RFC
    /// 3339 with a capital `T`, seconds, and `Z` or an offset with a colon. Offset and fraction stay as they
    /// were written.
    ///
    /// # Errors
    /// Those of [`Timestamp::parse`], and [`TimestampProblem::Refused`].
    pub fn respell(text: &str) -> Result<String, TimestampProblem> {
        Self::parse(text)?;
        let spelled = spelling::regular(text).ok_or(TimestampProblem::Unreadable)?;
        match spelling::refused_by_receivers(&spelled) {
            None => Ok(spelled),
            Some(why) => Err(TimestampProblem::Refused(why)),
        }
    }

    fn from_offset(time: OffsetDateTime) -> Self {
        Self(i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).unwrap_or(i64::MAX))
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC, with `Z` and always six decimals, so that the texts sort by time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.microsecond()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns the time at which a wait ends that began at `noted_at` and was to end at `due`. If the wall clock
/// was set back since `noted_at`, the whole wait begins anew at `now`: otherwise the step would lengthen it.
#[must_use]
pub fn due_after_setback(due: Timestamp, noted_at: Timestamp, now: Timestamp) -> Timestamp {
    if noted_at.is_a_step_after(now) {
        now.after(due.since(noted_at))
    } else {
        due
    }
}

/// The function that a clock calls after it was moved by hand, so that waiting threads read it again.
pub type ClockWaker = Arc<dyn Fn() + Send + Sync>;

/// A wall clock and a monotonic clock.
pub trait Clock: Send + Sync {
    /// Returns the time of the wall clock, for what is stored and sent.
    fn now(&self) -> Timestamp;
    /// Returns the time since an arbitrary start, for waits. It never goes back.
    fn monotonic(&self) -> Duration;
    /// Registers a function that the clock calls after it was moved by hand. Only the clocks of tests are:
    /// the default does nothing.
    fn on_jump(&self, _waker: ClockWaker) {}
}

/// The clocks of the machine.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// Returns a clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// Checks that the system's clock, which shows `now`, can be used. If somebody sets it to a time before
    /// 1970 later, the server uses the start of 1970.
    ///
    /// # Errors
    /// [`ClockNotSet`] before 1970.
    pub fn check(now: SystemTime) -> Result<(), ClockNotSet> {
        now.duration_since(UNIX_EPOCH)
            .map(drop)
            .map_err(|_| ClockNotSet)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(micros_of(since))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Clocks that move only when a test moves them.
#[derive(Default)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
    wakers: Mutex<Vec<ClockWaker>>,
    looks: AtomicU64,
}

impl ManualClock {
    /// Returns clocks whose wall clock shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: Mutex::new((now, Duration::ZERO)),
            wakers: Mutex::default(),
            looks: AtomicU64::new(0),
        }
    }

    /// Returns how often threads read the monotonic clock. The number grows fast if a thread waits in a loop
    /// without a pause.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Moves both clocks forward, and wakes the threads that wait.
    pub fn advance(&self, by: Duration) {
        {
            let mut state = lock(&self.state);
            state.0 = state.0.after(by);
            state.1 += by;
        }
        self.wake();
    }

    /// Sets only the wall clock, as an administrator or NTP may.
    pub fn step_wall_clock(&self, to: Timestamp) {
        lock(&self.state).0 = to;
        self.wake();
    }

    fn wake(&self) {
        let wakers = lock(&self.wakers).clone();
        for waker in wakers {
            waker();
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        lock(&self.state).0
    }

    fn monotonic(&self) -> Duration {
        self.looks.fetch_add(1, Ordering::Relaxed);
        lock(&self.state).1
    }

    fn on_jump(&self, waker: ClockWaker) {
        lock(&self.wakers).push(waker);
    }
}

/// Takes a lock, even if a panic has poisoned it: the clock can still be read.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Far less than what is left of the range on either side.
    const RANGE: std::ops::Range<i64> = -1_000_000_000_000..1_000_000_000_000;

    fn times() -> impl Strategy<Value = Timestamp> {
        RANGE.prop_map(Timestamp::from_micros)
    }

    proptest! {
        #[test]
        fn no_wait_grows_by_a_clock_that_was_set_back(
            noted_at in times(),
            wait in 0..RANGE.end,
            now in times(),
        ) {
            let wait = Duration::from_micros(wait.unsigned_abs());
            let due = due_after_setback(noted_at.after(wait), noted_at, now);
            prop_assert!(due.since(now) <= wait + CLOCK_STEP);
            // Nor does any become shorter but by the time that has passed.
            prop_assert!(due.since(now) >= wait.saturating_sub(now.since(noted_at)));
        }

        #[test]
        fn a_clock_that_drifts_moves_no_due_time(
            due in times(),
            noted_at in times(),
            drift in -1_000_000..1_000_000_000_i64,
        ) {
            let now = Timestamp::from_micros(noted_at.micros() + drift);
            prop_assert_eq!(due_after_setback(due, noted_at, now), due);
        }
    }

    #[test]
    fn a_step_begins_above_a_second() {
        let noted_at = Timestamp::from_micros(5_000_000);
        let is_step = |now| noted_at.is_a_step_after(Timestamp::from_micros(now));
        assert!(!is_step(9_000_000));
        assert!(!is_step(4_000_000));
        assert!(is_step(3_999_999));
    }

    #[test]
    fn a_system_clock_before_1970_is_told() {
        assert_eq!(SystemClock::check(UNIX_EPOCH), Ok(()));
        let before = UNIX_EPOCH - Duration::from_micros(1);
        assert_eq!(SystemClock::check(before), Err(ClockNotSet));
    }

    #[test]
    fn times_are_written_with_microseconds_and_z() {
        let time = Timestamp::from_micros(1_700_000_000_000_001);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.000001Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
    }

    #[test]
    fn common_spellings_are_read_and_a_missing_zone_is_told_from_garbage() {
        let expected = Ok(Timestamp::from_micros(1_700_000_000_000_000));
        for text in [
            "2023-11-14T22:13:20Z",
            "2023-11-14 22:13:20Z",
            "2023-11-14t22:13:20.000z",
            "2023-11-15T00:13:20+02:00",
            "2023-11-15 00:13:20+0200",
            " 2023-11-15T00:13:20+02 ",
        ] {
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
        for text in ["2023-11-14T22:13:20", "2023-11-14 22:13", "2023-11-14"] {
            assert_eq!(
                Timestamp::parse(text),
                Err(TimestampProblem::NoZone),
                "{text}"
            );
        }
        for text in [
            "",
            "yesterday",
            "2023-13-01T00:00:00Z",
            "2023-11-14T25:00:00",
            "ééééééééé",
        ] {
            assert_eq!(
                Timestamp::parse(text),
                Err(TimestampProblem::Unreadable),
                "{text}"
            );
        }
    }
}
