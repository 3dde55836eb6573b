//! The limits of a worker's connections.

use std::time::Duration;

/// The times that a connection may stay at each stage, and the most that a worker's connections may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// The time without a byte of a request.
    pub(crate) idle: Duration,
    /// The time from the first byte of a request to the first of its response.
    pub(crate) request: Duration,
    /// The time in which a client that has not taken all of its response must take at least
    /// [`taken`](Self::taken) bytes.
    pub(crate) response: Duration,
    /// The bytes of a response that a client must take in that time.
    pub(crate) taken: usize,
    /// The connections of one worker, beyond which it closes the oldest.
    pub(crate) connections: usize,
    /// The bytes of requests without a response and of responses that clients have not taken, of one worker.
    /// Beyond them, it refuses requests, and gives up the oldest of the account that holds most.
    pub(crate) bytes: usize,
    /// The time between two checks of all connections.
    pub(crate) period: Duration,
}
