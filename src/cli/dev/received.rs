//! A request to the built-in receiver, as it is kept and shown.

use serde::Serialize;

use crate::domain::clock::Timestamp;

/// A received request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Received {
    /// The time of its arrival.
    #[serde(rename = "received_at")]
    pub(super) at: Timestamp,
    /// The `webhook-id` header.
    pub(super) id: String,
    /// True if one signature is right.
    pub(super) verified: bool,
    /// The `webhook-timestamp` header.
    pub(super) timestamp: String,
    /// The `webhook-signature` header.
    pub(super) signature: String,
    /// The start of its body.
    pub(super) body: String,
}
