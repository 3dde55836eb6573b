//! The limits on how much of the queue is in memory. All in one struct, so that the simulation can make
//! them small.

/// Bounds of what the scheduler holds in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Events in all windows together. Each takes some 200 bytes: ids and numbers.
    pub(super) windows: usize,
    /// Rows that each endpoint may read at a time although all windows are full: no endpoint has to wait
    /// until the backlog of others is sent.
    pub(super) least: usize,
    /// Bytes of bodies in all windows together. The reader reads a body beyond that just before its attempt.
    pub(super) bodies: usize,
    /// Attempts that are not recorded on disk yet. Above that number no attempt starts: a full disk must not
    /// fill the memory.
    pub(super) unrecorded: usize,
    /// Events in the window of one endpoint: enough to keep it busy while a refill is read.
    pub(super) window: usize,
    /// A window with fewer events than this is refilled, a good part of a refill before it is empty.
    pub(super) refill_below: usize,
    /// Events that one refill reads.
    pub(super) refill: usize,
    /// Due retries, and redeliveries, that one read brings.
    pub(super) retries: usize,
    /// With fewer due retries in memory than this, more are read.
    pub(super) retries_below: usize,
    /// Bodies that one read brings for events of one endpoint. With a read for each event, each event would
    /// wait for the reader.
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
