//! The records of requests and attempts: what the log's thread makes a line from.
//!
//! The threads that serve requests and deliver make tens of thousands a second. So a record has no text that
//! must be made, and allocates nothing: it borrows what is the same for ever, and shares the rest.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::Level;
use uuid::Uuid;

/// The target of the lines about requests, for filters such as `info,hookpost::requests=warn`.
pub const REQUESTS: &str = "hookpost::requests";

/// The target of the lines about attempts.
pub const ATTEMPTS: &str = "hookpost::attempts";

/// The names of a request's fields, in the order of the line. They never change; new ones may come.
pub const REQUEST_FIELDS: [&str; 11] = [
    "request_id",
    "method",
    "route",
    "path",
    "status",
    "duration_ms",
    "workspace_id",
    "client",
    "message_id",
    "messages",
    "events",
];

/// The names of an attempt's fields, in the order of the line. They never change; new ones may come.
pub const ATTEMPT_FIELDS: [&str; 9] = [
    "event_id",
    "endpoint_id",
    "workspace_id",
    "attempt",
    "outcome",
    "http_code",
    "error",
    "duration_ms",
    "next_attempt_at",
];

/// A record.
#[derive(Clone, Debug)]
pub enum Record {
    /// A request that was answered.
    Request(RequestLine),
    /// An attempt that ended.
    Attempt(AttemptLine),
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct RequestLine {
    /// The time of the answer.
    pub at: SystemTime,
    /// The level of the line.
    pub level: Level,
    /// The request's id; it has no character that is escaped.
    pub request_id: Arc<str>,
    /// The method's name.
    pub method: &'static str,
    /// The base and the pattern of the route, if the path has one.
    pub route: Option<(&'static str, &'static str)>,
    /// The part of the path that may be shown, if it has no route.
    pub path: Option<Box<str>>,
    /// The answer's status.
    pub status: u16,
    /// The time from the request's head to the answer's.
    pub duration: Duration,
    /// The workspace for which the request was made, if it is known.
    pub workspace_id: Option<Uuid>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The message that was published, and the number of its events.
    pub published: Option<(Uuid, usize)>,
    /// The number of messages of a batch that was published, and that of their events.
    pub batch: Option<(usize, usize)>,
}

/// An attempt that ended.
#[derive(Clone, Debug)]
pub struct AttemptLine {
    /// The time of its end.
    pub at: SystemTime,
    /// The event.
    pub event_id: Uuid,
    /// The endpoint and its workspace, unless the endpoint is gone.
    pub endpoint: Option<(Uuid, Uuid)>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The verdict on the event, a word.
    pub outcome: &'static str,
    /// The status code, if there was an answer.
    pub http_code: Option<u16>,
    /// The cause of the failure, if there was no answer; a word.
    pub error: Option<&'static str>,
    /// The duration of the attempt, as the API shows it.
    pub duration_ms: u32,
    /// The time of the next attempt, if one follows.
    pub next_attempt_at: Option<SystemTime>,
}

impl Record {
    /// Returns the memory that the record has outside itself, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Request(line) => {
                line.request_id.len() + line.path.as_ref().map_or(0, |path| path.len())
            }
            Self::Attempt(_) => 0,
        }
    }

    /// Returns the level and the target of the line, and its message.
    pub(super) fn head(&self) -> (Level, &'static str, &'static str) {
        match self {
            Self::Request(line) => (line.level, REQUESTS, "request"),
            Self::Attempt(_) => (Level::INFO, ATTEMPTS, "attempt"),
        }
    }

    /// Returns the time of the line.
    pub(super) fn at(&self) -> SystemTime {
        match self {
            Self::Request(line) => line.at,
            Self::Attempt(line) => line.at,
        }
    }
}

/// Reports whether the log has lines of this target and level. The filter's decision is kept with each call, so
/// this costs a nanosecond.
#[must_use]
pub fn is_enabled(target: &str, level: Level) -> bool {
    use tracing::enabled;
    match (target, level) {
        (ATTEMPTS, _) => enabled!(target: ATTEMPTS, Level::INFO),
        (_, Level::ERROR | Level::WARN) => enabled!(target: REQUESTS, Level::WARN),
        (_, Level::INFO) => enabled!(target: REQUESTS, Level::INFO),
        _ => enabled!(target: REQUESTS, Level::DEBUG),
    }
}
