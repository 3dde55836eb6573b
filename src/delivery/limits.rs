//! The limits on how much of the queue is in memory. They are in one struct, so that the simulation can make
//! them small.

/// Bounds of what the scheduler holds in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Events that wait in memory, of all endpoints together. Each takes some 200 bytes: ids and numbers.
    pub(super) windows: usize,
    /// Rows that each endpoint may read at a time although `windows` is reached: no endpoint has to wait
    /// until the backlog of others is sent.
    pub(super) least: usize,
    /// Bytes of bodies that wait in memory, of all endpoints together. The reader reads a body beyond that
    /// just before its attempt.
    pub(super) bodies: usize,
    /// Attempts that are in flight or not recorded on disk yet. At that number no further attempt starts: a
    /// full disk must not fill the memory.
    pub(super) unrecorded: usize,
    /// Fresh events of one endpoint that wait in memory: enough to keep it busy while a refill is read.
    pub(super) window: usize,
    /// An endpoint with fewer fresh events in memory than this gets a refill, so that it need not wait for
    /// one.
    pub(super) refill_below: usize,
    /// The most fresh events that one refill reads.
    pub(super) refill: usize,
    /// The most due retries, or redeliveries, that one read adds.
    pub(super) retries: usize,
    /// An endpoint with fewer due retries in memory than this gets more.
    pub(super) retries_below: usize,
    /// The most bodies that one read brings, all for one endpoint. With a read for each event, each event
    /// would wait for the reader.
    pub(super) load: usize,
}

impl Limits {
    /// The limits of a server.
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
