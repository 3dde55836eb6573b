//! The limits on how much of the queue is in memory. They are in one struct, so that the simulation can make
//! them small.

/// Bounds of what the scheduler keeps in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Events that wait in memory, of all endpoints together. Each takes some 200 bytes: ids and numbers.
    pub(super) waiting_events: usize,
    /// Rows that each endpoint may read at a time although `waiting_events` is reached: no endpoint has to
    /// wait until the backlog of others is sent.
    pub(super) min_rows: usize,
    /// Bytes of bodies that wait in memory, of all endpoints together. The reader reads a body beyond that
    /// just before its attempt.
    pub(super) body_bytes: usize,
    /// Attempts that are in flight or not recorded on disk yet. At that number no further attempt starts: a
    /// full disk must not fill the memory.
    pub(super) unrecorded: usize,
    /// Fresh events of one endpoint that wait in memory: enough to keep it busy while a refill is read.
    pub(super) fresh_per_endpoint: usize,
    /// An endpoint with fewer fresh events in memory than this gets a refill, so that it need not wait for
    /// one.
    pub(super) refill_below: usize,
    /// The most fresh events that one refill reads.
    pub(super) refill_rows: usize,
    /// The most due retries, or redeliveries, that one read adds.
    pub(super) retry_rows: usize,
    /// An endpoint with fewer due retries in memory than this gets more.
    pub(super) retries_below: usize,
    /// The most bodies that one read brings, all for one endpoint. With a read for each event, each event
    /// would wait for the reader.
    pub(super) bodies_per_read: usize,
}

impl Limits {
    /// The limits of a server.
    pub(super) const PRODUCTION: Self = Self {
        waiting_events: 100_000,
        min_rows: 16,
        body_bytes: 16 << 20,
        unrecorded: 4096,
        fresh_per_endpoint: 1000,
        refill_below: 250,
        refill_rows: 500,
        retry_rows: 64,
        retries_below: 16,
        bodies_per_read: 64,
    };
}
