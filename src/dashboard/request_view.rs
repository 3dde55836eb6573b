//! The request of an attempt, as it was sent or would be sent now.
//!
//! No header is stored. All but two are the same on every attempt. The time and the signature are computed again,
//! with the secrets that sign for the endpoint. Old secrets whose time is over are not kept, so that an attempt that
//! they signed, too, is shown without their entries.

use std::time::Duration;

use uuid::Uuid;

use super::shell;
use crate::domain::access::Scopes;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint_url::request_form;
use crate::domain::signature::signature_header;

/// The longest body that a command has in it: shells take no longer argument.
const COMMAND_BODY_MAX: usize = 96 << 10;

/// The value of `user-agent`.
const USER_AGENT: &str = concat!("Hookpost/", env!("CARGO_PKG_VERSION"));

/// The request of an event.
pub(super) struct RequestView {
    pub(super) url: String,
    /// The headers, in the order in which they are sent.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Set if the headers are those of the last attempt; they are those of a request now if there was none.
    pub(super) is_of_attempt: bool,
    /// Set if the endpoint was changed after the last attempt, so that URL and secret may be others now.
    pub(super) is_changed: bool,
    /// A command for a shell that sends the request now; `None` if the body is too long for one, or the caller may not
    /// see the signature.
    pub(super) command: Option<String>,
    /// The reason why there is no command; empty if there is one.
    pub(super) no_command: &'static str,
    /// Set if the command reads the body from the file with the exact bytes.
    pub(super) needs_file: bool,
}

/// Returns the name of the file with the payload of an event.
pub(super) fn payload_file(id: Uuid) -> String {
    format!("{id}.json")
}

impl RequestView {
    /// Returns the request of the event `id` with this body. `last` is the last attempt.
    pub(super) fn new(
        endpoint: &Endpoint,
        id: Uuid,
        body: &str,
        last: Option<&Delivery>,
        now: Timestamp,
        by: Scopes,
    ) -> Self {
        let url = request_form(endpoint.settings.target.url.as_str()).into_owned();
        // The signature has the time when the attempt began; the delivery has the time when its result was stored.
        let began = last.map(|last| {
            let took = Duration::from_millis(last.duration_ms.into());
            last.created_at.before(took)
        });
        let no_command = if !by.see_secrets() {
            "Your token may not see the endpoint's secret, and so not the signature either."
        } else if body.len() > COMMAND_BODY_MAX {
            "The payload is too long for a command."
        } else {
            ""
        };
        let command = no_command.is_empty().then(|| {
            shell::curl(
                &url,
                &headers(endpoint, id, body, now, by),
                body,
                &payload_file(id),
            )
        });
        Self {
            headers: headers(endpoint, id, body, began.unwrap_or(now), by),
            is_of_attempt: began.is_some(),
            is_changed: match (began, endpoint.modified_at) {
                (Some(began), Some(modified)) => modified > began,
                _ => false,
            },
            command,
            no_command,
            needs_file: shell::needs_file(body),
            url,
        }
    }
}

fn headers(
    endpoint: &Endpoint,
    id: Uuid,
    body: &str,
    at: Timestamp,
    by: Scopes,
) -> Vec<(&'static str, String)> {
    // Whoever may not see the secrets must not get what they sign: a receiver would accept that. Of a key pair, too,
    // whose public key everybody may see.
    let signature = if by.see_secrets() {
        let secrets = endpoint.settings.target.secrets.signing_at(at);
        signature_header(secrets, id, at.seconds(), body.as_bytes())
    } else {
        "(hidden)".to_owned()
    };
    vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
        ("webhook-id", id.to_string()),
        ("webhook-timestamp", at.seconds().to_string()),
        ("webhook-signature", signature),
    ]
}
