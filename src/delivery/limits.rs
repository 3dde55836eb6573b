//! How much of the queue is held in memory. Kept together so that the simulation can make them small.

/// Bounds of what the scheduler holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Events in all windows together: ids and numbers, some 200 bytes each.
    pub(super) windows: usize,
    /// What each endpoint may read at a time although all windows are full: no endpoint waits for the
    /// backlog of others.
    pub(super) least: usize,
    /// Bytes of bodies in all windows together; what does not fit is read just before its attempt.
    pub(super) bodies: usize,
    /// Outcomes that are not on disk yet. Above it nothing starts: a full disk must not cost memory.
    pub(super) unrecorded: usize,
    /// Events of one endpoint in its window: enough to be busy while a refill is read.
    pub(super) window: usize,
    /// The window is refilled when it is down to this many, a good part of a refill before it is empty.
    pub(super) refill_below: usize,
    /// Events read in one refill.
    pub(super) refill: usize,
    /// Due retries, and redeliveries, read at a time.
    pub(super) retries: usize,
    /// Retries are read again when so few are left.
    pub(super) retries_below: usize,
    /// Bodies read at a time for events of one endpoint: a look into the database for each event
    /// would have each wait for the reader.
    pub(super) load: usize,
}

impl Limits {
    /// What the service runs with.
    pub(super) const PRODUCTION: Self = Self {
        windows: 100_000,
        least: 16,
        bodies: 16 << 20,
        unrecorded: 4096,
        window: 1000,
        refill_below: 250,
        refill: 500,
        retries: 64,
        retries_below: 16,
        load: 64,
    };
}
