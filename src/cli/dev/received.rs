//! A request that the built-in receiver got, as it is kept and shown.

use serde::Serialize;

use crate::domain::clock::Timestamp;

/// A received request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Received {
    /// The time at which the request arrived.
    #[serde(rename = "received_at")]
    pub(super) at: Timestamp,
    /// The `webhook-id` header.
    pub(super) id: String,
    /// True if one of the signatures is valid.
    pub(super) verified: bool,
    /// The `webhook-timestamp` header.
    pub(super) timestamp: String,
    /// The `webhook-signature` header.
    pub(super) signature: String,
    /// The start of the body.
    pub(super) body: String,
}
