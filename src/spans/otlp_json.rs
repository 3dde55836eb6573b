//! The body of an export request: spans as JSON, as OTLP 1 has them.
//!
//! This is the JSON mapping of the protocol buffers, with the exceptions of OTLP: ids are hexadecimal, and enums
//! are numbers. 64-bit numbers are texts. See <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::span::{AttemptStep, PublishStep, Span, Step};

/// The values of `SpanKind`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// The value of `Status.StatusCode` for a step that failed. A step without a status is neither good nor bad.
const STATUS_ERROR: u8 = 2;

/// The flags of a span: sampled; it is known where the parent was made; and another process made it.
const SAMPLED: u32 = 0x001;
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportRequest<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<SpanObject<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanObject<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    flags: u32,
    name: Cow<'static, str>,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'static str,
    value: Value<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value<'a> {
    StringValue(Cow<'a, str>),
    IntValue(String),
}

/// The answer to an export request.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExportResponse {
    partial_success: PartialSuccess,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    /// A text in the JSON mapping; some collectors send a number.
    rejected_spans: serde_json::Value,
}

/// Returns the body for these spans.
pub(super) fn request(spans: &[Span]) -> Vec<u8> {
    let request = ExportRequest {
        resource_spans: [ResourceSpans {
            resource: Resource {
                attributes: vec![
                    text("service.name", env!("CARGO_PKG_NAME")),
                    text("service.version", env!("CARGO_PKG_VERSION")),
                ],
            },
            scope_spans: [ScopeSpans {
                scope: Scope {
                    name: env!("CARGO_PKG_NAME"),
                    version: env!("CARGO_PKG_VERSION"),
                },
                spans: spans.iter().map(object).collect(),
            }],
        }],
    };
    serde_json::to_vec(&request).expect("texts and numbers are JSON")
}

/// Returns how many spans an answer of success refuses. An answer that cannot be read refuses none.
pub(super) fn rejected(answer: &[u8]) -> usize {
    let answer: ExportResponse = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = answer.partial_success.rejected_spans;
    let number = rejected
        .as_u64()
        .or_else(|| rejected.as_str()?.parse().ok());
    number.map_or(0, |number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn object(span: &Span) -> SpanObject<'_> {
    let (name, kind, attributes, is_error) = match &span.step {
        Step::Publish(step) => publish(step),
        Step::Commit {
            message_id,
            workspace_id,
        } => {
            let ids = vec![
                id("hookpost.message_id", *message_id),
                id("hookpost.workspace_id", *workspace_id),
            ];
            ("commit".into(), INTERNAL, ids, false)
        }
        Step::Attempt(step) => attempt(step),
    };
    let is_remote = kind == SERVER && span.parent_id.is_some();
    SpanObject {
        trace_id: format!("{:032x}", span.trace_id),
        span_id: format!("{:016x}", span.span_id),
        parent_span_id: span.parent_id.map(|parent| format!("{parent:016x}")),
        flags: SAMPLED | KNOWS_REMOTE | if is_remote { IS_REMOTE } else { 0 },
        name,
        kind,
        start_time_unix_nano: nanos(span.start),
        end_time_unix_nano: nanos(span.start + span.duration),
        attributes,
        status: is_error.then_some(Status { code: STATUS_ERROR }),
    }
}

/// The name, kind and attributes of a span, and whether the step failed.
type Parts<'a> = (Cow<'static, str>, u8, Vec<Attribute<'a>>, bool);

/// As the conventions for HTTP servers say, an error of the client is none of this step.
fn publish(step: &PublishStep) -> Parts<'_> {
    let route = step.route.map(|(base, pattern)| format!("{base}{pattern}"));
    let name = route.as_ref().map(|route| format!("POST {route}"));
    let mut attributes = vec![
        text("http.request.method", "POST"),
        number("http.response.status_code", &step.status),
        text("hookpost.request_id", &*step.request_id),
    ];
    attributes.extend(route.map(|route| text("http.route", route)));
    let workspace = step.workspace_id;
    attributes.extend(workspace.map(|workspace| id("hookpost.workspace_id", workspace)));
    if let Some((message, events)) = step.published {
        attributes.push(id("hookpost.message_id", message));
        attributes.push(number("hookpost.events", &events));
    }
    if let Some((messages, events)) = step.batch {
        attributes.push(number("hookpost.messages", &messages));
        attributes.push(number("hookpost.events", &events));
    }
    let is_error = step.status >= 500;
    if is_error {
        attributes.push(text("error.type", step.status.to_string()));
    }
    let name = name.map_or("POST".into(), Cow::from);
    (name, SERVER, attributes, is_error)
}

fn attempt(step: &AttemptStep) -> Parts<'_> {
    let mut attributes = vec![
        text("http.request.method", "POST"),
        id("hookpost.event_id", step.event_id),
        id("hookpost.endpoint_id", step.endpoint_id),
        id("hookpost.workspace_id", step.workspace_id),
        number("hookpost.attempt", &step.attempt),
    ];
    let code = step.http_code;
    attributes.extend(code.map(|code| number("http.response.status_code", &code)));
    let is_error = !matches!(step.http_code, Some(200..300));
    let code = code.map(|code| code.to_string().into());
    if is_error && let Some(error) = step.error.map(Cow::from).or(code) {
        attributes.push(text("error.type", error));
    }
    ("attempt".into(), CLIENT, attributes, is_error)
}

fn text<'a>(key: &'static str, value: impl Into<Cow<'a, str>>) -> Attribute<'a> {
    let value = Value::StringValue(value.into());
    Attribute { key, value }
}

fn number(key: &'static str, value: &impl ToString) -> Attribute<'static> {
    let value = Value::IntValue(value.to_string());
    Attribute { key, value }
}

fn id(key: &'static str, id: Uuid) -> Attribute<'static> {
    text(key, id.to_string())
}

fn nanos(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_refuses_is_read_as_a_text_or_a_number() {
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedSpans":"3"}}"#), 3);
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedSpans":4}}"#), 4);
        for none in [
            r#"{"partialSuccess":{"errorMessage":"a warning"}}"#,
            "{}",
            "",
            "no JSON",
            r#"{"partialSuccess":{"rejectedSpans":"-1"}}"#,
        ] {
            assert_eq!(rejected(none.as_bytes()), 0, "{none}");
        }
    }
}
