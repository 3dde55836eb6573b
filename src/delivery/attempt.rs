//! One attempt: signs a body, sends it, and reads what came back.

use std::time::Duration;

use uuid::Uuid;

use super::attempt_trace::AttemptTrace;
use super::http_client::{Failure, HttpClient, HttpResult, Request};
use super::protocol::AttemptResult;
use super::response_text::response_text;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Clock;
use crate::domain::endpoint::TargetSettings;
use crate::domain::signature::signature_header;

/// The stack of a thread that makes attempts. The deepest call is a TLS handshake; measured, with a margin of half.
pub(super) const STACK_BYTES: usize = 256 << 10;

/// The client that makes requests. In a server it is the HTTP client; in the engine's tests, a scripted one.
pub trait Transport: Send + Sync {
    /// Makes one POST and returns its result.
    fn post(&self, request: &Request<'_>) -> HttpResult;
}

impl Transport for HttpClient {
    fn post(&self, request: &Request<'_>) -> HttpResult {
        HttpClient::post(self, request)
    }
}

/// Sends `body`, the event `event_id`, to an endpoint with these settings, with the headers of `trace`.
pub(super) fn make(
    transport: &dyn Transport,
    clock: &dyn Clock,
    event_id: Uuid,
    settings: &TargetSettings,
    body: &[u8],
    trace: Option<&AttemptTrace<'_>>,
) -> AttemptResult {
    let now = clock.now();
    let id = event_id.to_string();
    let timestamp = now.seconds().to_string();
    let secrets = settings.secrets.signing_at(now);
    let signature = signature_header(secrets, event_id, now.seconds(), body);
    let mut headers = vec![
        ("webhook-id", id.as_str()),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    headers.extend(trace.into_iter().flat_map(AttemptTrace::headers));
    let custom = settings.headers.reveal().iter();
    headers.extend(custom.map(|(name, value)| (name.as_str(), value.as_str())));
    let request = Request {
        url: settings.url.as_str(),
        headers: &headers,
        body,
        timeout: settings.policy.timeout(),
    };
    let HttpResult { result, duration } = transport.post(&request);
    match result {
        Ok(answer) => AttemptResult {
            code: Some(answer.code),
            error: None,
            is_final: false,
            retry_after: matches!(answer.code, 429 | 503)
                .then(|| {
                    answer
                        .retry
                        .wait(settings.format, &settings.url, clock.now())
                })
                .flatten(),
            response: response_text(answer, settings),
            took: duration,
        },
        Err(Failure {
            kind,
            message,
            is_final,
        }) => AttemptResult {
            code: None,
            error: Some(kind),
            is_final,
            response: Some(message),
            retry_after: None,
            took: duration,
        },
    }
}

/// Returns the result of an attempt that failed because of Hookpost itself.
pub(super) fn internal(message: &str) -> AttemptResult {
    AttemptResult {
        code: None,
        error: Some(AttemptFailure::Internal),
        is_final: false,
        response: Some(message.to_owned()),
        retry_after: None,
        took: Duration::ZERO,
    }
}
