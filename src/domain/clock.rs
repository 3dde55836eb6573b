//! Time: what is stored (wall clock), what is waited on (monotonic), and how tests drive both.
//!
//! Stored times are microseconds since the Unix epoch. The wall clock may step; nothing waits on
//! it directly. The engine waits on the monotonic clock and asks the wall clock only for what is
//! written down or sent to a receiver.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The change of the wall clock above which it is a step. Smaller ones are drift, and corrections by NTP.
pub const CLOCK_STEP: Duration = Duration::from_secs(1);

/// A point in time: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The system's clock stands before 1970, the beginning of the times that are stored.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the system's clock stands before 1970; set it, and start again")]
pub struct ClockNotSet;

/// The reason why a text is not a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampProblem {
    /// It is a date and time, but says nothing about its zone.
    NoZone,
    /// It is no date and time.
    Unreadable,
}

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time `by` later; stops at the end of the range.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(by)))
    }

    /// The time `by` earlier; stops at the start of the range.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(by)))
    }

    /// Returns the time from `earlier` until this; zero if this is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reports whether this is later than `earlier` by more than a [`CLOCK_STEP`]. A wall clock that
    /// noted this time and now shows `earlier` was set back.
    #[must_use]
    pub fn is_a_step_after(self, earlier: Self) -> bool {
        self.since(earlier) > CLOCK_STEP
    }

    /// Reads RFC 3339, and what its users commonly write: a space for the `T`, a date alone, no
    /// seconds, an offset without its colon.
    ///
    /// # Errors
    /// [`TimestampProblem::NoZone`] where the zone is missing: a guess would shift the time.
    pub fn parse(text: &str) -> Result<Self, TimestampProblem> {
        let text = text.trim();
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::from_offset(time));
        }
        let spelled = lenient(text).ok_or(TimestampProblem::Unreadable)?;
        if let Ok(time) = OffsetDateTime::parse(&spelled, &Rfc3339) {
            return Ok(Self::from_offset(time));
        }
        match OffsetDateTime::parse(&format!("{spelled}Z"), &Rfc3339) {
            Ok(_) => Err(TimestampProblem::NoZone),
            Err(_) => Err(TimestampProblem::Unreadable),
        }
    }

    fn from_offset(time: OffsetDateTime) -> Self {
        Self(i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).unwrap_or(i64::MAX))
    }
}

/// Respells the common variants of RFC 3339 as RFC 3339, less a zone that is not there.
fn lenient(text: &str) -> Option<String> {
    if !text.is_ascii() || text.len() < 10 {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let rest = rest.strip_prefix(['T', 't', ' ']).unwrap_or(rest);
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    let clock = match clock.len() {
        0 => "00:00:00".to_owned(),
        5 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    let zone = match zone.len() {
        3 if zone != "Z" => format!("{zone}:00"),
        5 if !zone.contains(':') => format!("{}:{}", &zone[..3], &zone[3..]),
        _ => zone.to_owned(),
    };
    Some(format!("{date}T{clock}{zone}"))
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with `Z` and always six digits of fraction: sortable as text.
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

/// Returns the time until which something waits that was to wait from `noted_at` until `due`. If the wall
/// clock was set back since, the wait begins anew: it would be longer by as much as the clock was set.
#[must_use]
pub fn due_after_setback(due: Timestamp, noted_at: Timestamp, now: Timestamp) -> Timestamp {
    if noted_at.is_a_step_after(now) {
        now.after(due.since(noted_at))
    } else {
        due
    }
}

/// Called by a clock that was moved by hand, so that whoever waits on it looks again.
pub type ClockWaker = Arc<dyn Fn() + Send + Sync>;

/// The two clocks of the service.
pub trait Clock: Send + Sync {
    /// The wall clock: for what is stored and sent.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary start, never going back: for what is waited on.
    fn monotonic(&self) -> Duration;
    /// Registers a waker for clocks that jump. Real clocks do not: the default does nothing.
    fn on_jump(&self, _waker: ClockWaker) {}
}

/// The clocks of the machine.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// Checks that the system's clock, which says `now`, can be used. If it is set to a time before 1970 later,
    /// the server takes it for 1970.
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

/// Clocks that move only by hand, for tests of schedules.
#[derive(Default)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
    wakers: Mutex<Vec<ClockWaker>>,
    looks: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: Mutex::new((now, Duration::ZERO)),
            wakers: Mutex::default(),
            looks: AtomicU64::new(0),
        }
    }

    /// Returns how many times a thread read it. A thread that waits in an endless loop reads it in each turn.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Moves both clocks forward and wakes whoever waits.
    pub fn advance(&self, by: Duration) {
        {
            let mut state = lock(&self.state);
            state.0 = state.0.after(by);
            state.1 += by;
        }
        self.wake();
    }

    /// Sets the wall clock alone, as an administrator or NTP may.
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

/// A poisoned clock still tells the time.
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
