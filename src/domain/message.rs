//! Messages: producers publish them, and endpoints receive them as events.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::clock::Timestamp;
use super::event_type::EventType;
use super::format::Summary;
use super::json::Tree;
use super::tags::Tags;
use super::trace_context::TraceContext;

/// The greatest depth of `data`; deeper data would overflow the stack of many JSON parsers.
pub const DATA_DEPTH_MAX: usize = 128;

/// The longest idempotency key, in visible ASCII characters.
pub const IDEMPOTENCY_KEY_MAX: usize = 255;

/// The most messages of a batch.
pub const BATCH_MAX: usize = 100;

/// The longest message of a batch, in bytes as it was sent: as long as the body of a publish may be by default. A batch
/// of longer ones would be one long transaction, and would hold memory until its answer.
pub const BATCH_MESSAGE_MAX: usize = 256 << 10;

/// The most events that a batch of several messages may make. They are stored in one transaction, and all other
/// writes wait for its end: some 100 ms.
pub const BATCH_EVENTS_MAX: usize = 5_000;

/// The most endpoints that a message names. Each is a look-up of the writer.
pub const NAMED_ENDPOINTS_MAX: usize = 100;

/// Reports whether a text may be an idempotency key: 1 to 255 visible ASCII characters.
#[must_use]
pub fn is_idempotency_key(text: &[u8]) -> bool {
    (1..=IDEMPOTENCY_KEY_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

/// The time for which an idempotency key is kept. A later publish with the same key is a new message.
pub const IDEMPOTENCY_PERIOD: Duration = Duration::from_hours(24);

/// An accepted message, which is to be stored with an event for each endpoint that wants it.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The workspace whose endpoints may receive it.
    pub workspace_id: Uuid,
    /// Its type.
    pub event_type: EventType,
    /// The producer's time, as [`Timestamp::respell`] spells it; `None` for the time of the server's clock.
    pub timestamp: Option<String>,
    /// Any JSON, byte for byte as sent.
    pub data: Box<RawValue>,
    /// The endpoints to which alone it is sent, whatever they are subscribed to, each once; empty: it is sent to those that
    /// are subscribed.
    pub endpoint_ids: Vec<Uuid>,
    /// Its tags.
    pub tags: Tags,
    /// The key by which a repeated publish gets the first result again.
    pub idempotency: Option<Idempotency>,
    /// The trace that its producer sent with it.
    pub trace: Option<Arc<TraceContext>>,
    /// The part of the data that Discord and Slack messages show. If it is `None`, it is read from `data`
    /// when needed.
    pub summary: Option<Summary>,
    /// The tree of `data`, for the filters of endpoints. If it is `None`, it is made when needed.
    pub tree: Option<Tree>,
}

impl NewMessage {
    /// Returns a message with the time of the server's clock and nothing that is optional.
    #[must_use]
    pub const fn new(workspace_id: Uuid, event_type: EventType, data: Box<RawValue>) -> Self {
        Self {
            workspace_id,
            event_type,
            timestamp: None,
            data,
            endpoint_ids: Vec::new(),
            tags: Tags::NONE,
            idempotency: None,
            trace: None,
            summary: None,
            tree: None,
        }
    }

    /// Returns about the bytes of memory that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let tree = self.tree.as_ref().map_or(0, Tree::size);
        self.data.get().len() + self.tags.size() + tree
    }
}

/// An idempotency key and the request that used it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// 1 to [`IDEMPOTENCY_KEY_MAX`] visible ASCII characters.
    pub key: String,
    /// SHA-256 of the message as it was sent: of the raw request body, or of the bytes of an item of a batch.
    pub fingerprint: [u8; 32],
}

/// A stored message, as its publisher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub event_type: EventType,
    /// The producer's time in its regular spelling, or the server's.
    pub timestamp: String,
    /// The workspace in which it was published.
    pub workspace_id: Uuid,
    /// Its tags.
    pub tags: Tags,
    /// Its events: event id and endpoint id of each.
    pub events: Vec<(Uuid, Uuid)>,
    /// Set if its producer named the endpoints that get it.
    pub is_direct: bool,
}

/// A message as it is listed: without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its id.
    pub id: Uuid,
    /// The workspace in which it was published.
    pub workspace_id: Uuid,
    /// Its type.
    pub event_type: EventType,
    /// The producer's time in its regular spelling, or the server's.
    pub timestamp: String,
    /// The time at which it was published.
    pub created_at: Timestamp,
    /// Its tags.
    pub tags: Tags,
    /// Set once its payload was dropped.
    pub is_archived: bool,
    /// The number of events that it became, deleted ones included.
    pub events: u64,
}

/// The member of a body of a `raw` delivery that comes last, with its name and the colon. The text cannot stand
/// before it: neither a type nor a time has a quotation mark.
const DATA_MEMBER: &str = ",\"data\":";

/// Returns the place of the producer's `data` in the body of a `raw` delivery, of which the beginning is enough: the
/// data goes on from there to the byte before the last of the body. Returns `None` if the text is no such beginning.
#[must_use]
pub fn data_start(body: &str) -> Option<usize> {
    body.find(DATA_MEMBER).map(|at| at + DATA_MEMBER.len())
}

/// Returns the producer's `data` in the body of a `raw` delivery, byte for byte; `None` if the text is no such body.
#[must_use]
pub fn data_of(body: &str) -> Option<&str> {
    body.strip_suffix('}')?.get(data_start(body)?..)
}

/// Returns the body of a `raw` delivery, with the producer's bytes of `data`.
#[must_use]
pub fn raw_body(event_type: &EventType, timestamp: &str, data: &RawValue) -> Vec<u8> {
    let data = data.get().as_bytes();
    let mut body =
        Vec::with_capacity(data.len() + timestamp.len() + event_type.as_str().len() + 40);
    body.extend_from_slice(b"{\"type\":\"");
    // An event type has no characters that JSON escapes.
    body.extend_from_slice(event_type.as_str().as_bytes());
    body.extend_from_slice(b"\",\"timestamp\":");
    serde_json::to_writer(&mut body, timestamp).expect("a string always serialises into memory");
    body.extend_from_slice(DATA_MEMBER.as_bytes());
    body.extend_from_slice(data);
    body.push(b'}');
    body
}

/// Returns the timestamp of a message whose producer sent none.
#[must_use]
pub fn server_timestamp(now: Timestamp) -> String {
    now.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keeps_its_bytes() {
        let data = r#"{"b":1.0,"a":1e400,"b":"\u0000é\ud83d\ude00" ,"n":12345678901234567890123}"#;
        let raw = RawValue::from_string(data.to_owned()).unwrap();
        let kind = EventType::parse("order.created").unwrap();
        let body = raw_body(&kind, "2023-11-14T22:13:20Z", &raw);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            format!(
                r#"{{"type":"order.created","timestamp":"2023-11-14T22:13:20Z","data":{data}}}"#
            )
        );
    }

    #[test]
    fn data_is_found_again_in_the_body() {
        let kind = EventType::parse("order.created").unwrap();
        for data in ["0", r#"{"data":{"a":",\"data\":"}}"#, r#""}""#, "[ 1 ]"] {
            let raw = RawValue::from_string(data.to_owned()).unwrap();
            let body = raw_body(&kind, "2023-11-14T22:13:20Z", &raw);
            let body = String::from_utf8(body).unwrap();
            assert_eq!(data_of(&body), Some(data));
            assert!(body[data_start(&body).unwrap()..].starts_with(data));
        }
        assert_eq!(data_of(""), None);
        assert_eq!(data_of("}"), None);
    }
}
