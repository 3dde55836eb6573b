//! The times that data is kept: by a server, and by a workspace.

use std::time::Duration;

/// The shortest time of events, in seconds: a day, because idempotency keys live as long. With a shorter time, a
/// publish that is tried again could be stored a second time.
pub const DELETE_AFTER_MIN_S: u64 = 86_400;

/// The longest time, in seconds: 36,500 days, as for the server's times.
pub const KEEP_MAX_S: u64 = 36_500 * 86_400;

/// The time after which a workspace's payloads are dropped.
pub type ArchiveAfter = KeepTime<1>;

/// The time after which a workspace's messages are deleted.
pub type DeleteAfter = KeepTime<DELETE_AFTER_MIN_S>;

/// A time that a workspace keeps something: 0 for as long as the server, or whole seconds from `LEAST` to
/// [`KEEP_MAX_S`]. Of the workspace's time and the server's, the shorter one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepTime<const LEAST: u64>(u64);

/// The reason why a number cannot be such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepTimeProblem {
    /// Not 0, and under this number of seconds.
    TooShort(u64),
    /// Over [`KEEP_MAX_S`].
    TooLong,
}

impl<const LEAST: u64> KeepTime<LEAST> {
    /// The server's time.
    pub const SERVERS: Self = Self(0);

    /// Returns the time of so many seconds.
    pub const fn new(seconds: u64) -> Result<Self, KeepTimeProblem> {
        if seconds > KEEP_MAX_S {
            Err(KeepTimeProblem::TooLong)
        } else if seconds > 0 && seconds < LEAST {
            Err(KeepTimeProblem::TooShort(LEAST))
        } else {
            Ok(Self(seconds))
        }
    }

    /// Takes a stored number, which was checked before.
    #[must_use]
    pub const fn from_stored(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the seconds; 0 for the server's time.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

/// The time that a server keeps its data; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepFor {
    /// Payloads, from their publish on.
    pub payloads: Option<Duration>,
    /// Messages with their events and deliveries, from their publish on.
    pub messages: Option<Duration>,
}

/// A workspace's own times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceRetention {
    /// The time after which its payloads are dropped.
    pub archive_after: ArchiveAfter,
    /// The time after which its messages are deleted, with their events and deliveries.
    pub delete_after: DeleteAfter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_servers_or_within_its_bounds() {
        for seconds in [0, DELETE_AFTER_MIN_S, KEEP_MAX_S] {
            let time = DeleteAfter::new(seconds).map(DeleteAfter::seconds);
            assert_eq!(time, Ok(seconds));
        }
        let too_short = Err(KeepTimeProblem::TooShort(DELETE_AFTER_MIN_S));
        assert_eq!(DeleteAfter::new(1), too_short);
        assert_eq!(DeleteAfter::new(DELETE_AFTER_MIN_S - 1), too_short);
        assert_eq!(
            DeleteAfter::new(KEEP_MAX_S + 1),
            Err(KeepTimeProblem::TooLong)
        );
        assert_eq!(ArchiveAfter::new(1).map(ArchiveAfter::seconds), Ok(1));
        assert_eq!(ArchiveAfter::new(u64::MAX), Err(KeepTimeProblem::TooLong));
        assert_eq!(DeleteAfter::default(), DeleteAfter::SERVERS);
    }
}
