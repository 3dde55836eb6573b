//! A request that the built-in receiver got, as it is kept and shown.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::clock::Timestamp;

/// A received request.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Received {
    /// The time at which the request arrived.
    #[serde(rename = "received_at")]
    pub(super) at: Timestamp,
    /// The `webhook-id` header.
    pub(super) id: String,
    /// The `type` of the body, if it has one: those of the formats `slack` and `discord` have none.
    #[serde(rename = "type")]
    pub(super) event_type: Option<String>,
    /// True if one of the signatures is valid.
    pub(super) verified: bool,
    /// The status of the answer.
    pub(super) status: u16,
    /// The `webhook-timestamp` header.
    pub(super) timestamp: String,
    /// The `webhook-signature` header.
    pub(super) signature: String,
    /// All headers; several of one name are joined by commas.
    pub(super) headers: BTreeMap<String, String>,
    /// The start of the body.
    pub(super) body: String,
}
