//! The lines that records become: the same forms as those of all other lines, which `tracing_subscriber` makes.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use tracing::Level;
use uuid::Uuid;

use super::record::{ATTEMPT_FIELDS, AttemptLine, REQUEST_FIELDS, Record, RequestLine};

/// The form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `TIME LEVEL TARGET: MESSAGE NAME=VALUE …`
    Text {
        /// With the colours of a terminal.
        colors: bool,
    },
    /// An object of JSON.
    Json,
}

impl Default for Style {
    fn default() -> Self {
        Self::Text { colors: false }
    }
}

/// The maker of lines.
pub(super) struct Renderer {
    style: Style,
    clock: RenderedSecond,
}

impl Renderer {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            clock: RenderedSecond::default(),
        }
    }

    /// Adds the line of a record to `out`, with its end.
    pub(super) fn line(&mut self, record: &Record, out: &mut Vec<u8>) {
        let (level, target, message) = record.head();
        match self.style {
            Style::Json => {
                out.extend_from_slice(b"{\"timestamp\":\"");
                self.clock.write(record.at(), out);
                put(out, "\",\"level\":\"");
                put(out, level.as_str());
                put(out, "\",\"message\":\"");
                put(out, message);
                put(out, "\"");
            }
            Style::Text { colors: false } => {
                self.clock.write(record.at(), out);
                put(out, padded(level));
                put(out, target);
                put(out, ": ");
                put(out, message);
            }
            Style::Text { colors: true } => {
                put(out, "\x1b[2m");
                self.clock.write(record.at(), out);
                put(out, "\x1b[0m");
                put(out, colored(level));
                put(out, padded(level));
                put(out, "\x1b[0m\x1b[2m");
                put(out, target);
                put(out, ":\x1b[0m ");
                put(out, message);
            }
        }
        let fields = Fields {
            style: self.style,
            out,
        };
        match record {
            Record::Request(line) => request(line, fields),
            Record::Attempt(line) => attempt(line, fields, &mut self.clock),
        }
        if self.style == Style::Json {
            put(out, ",\"target\":\"");
            put(out, target);
            put(out, "\"}");
        }
        out.push(b'\n');
    }
}

fn request(line: &RequestLine, mut fields: Fields<'_>) {
    let [
        id,
        method,
        route,
        path,
        status,
        duration,
        workspace,
        client,
        message,
        messages,
        events,
    ] = REQUEST_FIELDS;
    fields.text(id, &[&line.request_id]);
    fields.text(method, &[line.method]);
    if let Some((base, pattern)) = line.route {
        fields.text(route, &[base, pattern]);
    }
    if let Some(shown) = &line.path {
        fields.foreign(path, shown);
    }
    fields.number(status, line.status);
    fields.milliseconds(duration, line.duration);
    if let Some(id) = line.workspace_id {
        fields.id(workspace, id);
    }
    if let Some(address) = line.client {
        fields.shown(client, address);
    }
    if let Some((id, _)) = line.published {
        fields.id(message, id);
    }
    if let Some((count, _)) = line.batch {
        fields.number(messages, count);
    }
    let made = line.published.map(|(_, made)| made);
    if let Some(made) = made.or(line.batch.map(|(_, made)| made)) {
        fields.number(events, made);
    }
}

fn attempt(line: &AttemptLine, mut fields: Fields<'_>, clock: &mut RenderedSecond) {
    let [
        event,
        endpoint,
        workspace,
        attempt,
        outcome,
        code,
        error,
        duration,
        next,
    ] = ATTEMPT_FIELDS;
    fields.id(event, line.event_id);
    if let Some((id, owner)) = line.endpoint {
        fields.id(endpoint, id);
        fields.id(workspace, owner);
    }
    fields.number(attempt, line.attempt);
    fields.text(outcome, &[line.outcome]);
    if let Some(status) = line.http_code {
        fields.number(code, status);
    }
    if let Some(word) = line.error {
        fields.text(error, &[word]);
    }
    fields.number(duration, line.duration_ms);
    if let Some(at) = line.next_attempt_at {
        fields.open(next, true);
        clock.write(at, fields.out);
        fields.close(true);
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Returns the name of a level in the width of the longest, between spaces.
fn padded(level: Level) -> &'static str {
    match level {
        Level::ERROR => " ERROR ",
        Level::WARN => "  WARN ",
        Level::INFO => "  INFO ",
        Level::DEBUG => " DEBUG ",
        Level::TRACE => " TRACE ",
    }
}

fn colored(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// The writer of a line's fields.
struct Fields<'a> {
    style: Style,
    out: &'a mut Vec<u8>,
}

impl Fields<'_> {
    /// Writes the name of a field, and the quote before its value if it is a text in JSON.
    fn open(&mut self, name: &str, is_text: bool) {
        let (before, after) = match self.style {
            Style::Json if is_text => (",\"", "\":\""),
            Style::Json => (",\"", "\":"),
            Style::Text { colors: false } => (" ", "="),
            Style::Text { colors: true } => (" \x1b[3m", "\x1b[0m\x1b[2m=\x1b[0m"),
        };
        put(self.out, before);
        put(self.out, name);
        put(self.out, after);
    }

    fn close(&mut self, is_text: bool) {
        if is_text && self.style == Style::Json {
            self.out.push(b'"');
        }
    }

    /// Writes a text of several parts without a character that is escaped.
    fn text(&mut self, name: &str, parts: &[&str]) {
        self.open(name, true);
        for part in parts {
            put(self.out, part);
        }
        self.close(true);
    }

    /// Writes a text in which a client may have put anything.
    fn foreign(&mut self, name: &str, text: &str) {
        self.open(name, false);
        // A line of text has quotes, too, so that a reader can tell where the value ends.
        let quoted = serde_json::to_writer(&mut *self.out, text);
        debug_assert!(quoted.is_ok(), "a text is always written into memory");
    }

    fn number(&mut self, name: &str, number: impl Display) {
        self.open(name, false);
        self.display(number);
    }

    /// Writes a value that is a text, and has no character that is escaped.
    fn shown(&mut self, name: &str, value: impl Display) {
        self.open(name, true);
        self.display(value);
        self.close(true);
    }

    fn display(&mut self, value: impl Display) {
        let written = write!(self.out, "{value}");
        debug_assert!(written.is_ok(), "memory takes any text");
    }

    fn id(&mut self, name: &str, id: Uuid) {
        let mut text = Uuid::encode_buffer();
        self.text(name, &[id.hyphenated().encode_lower(&mut text)]);
    }

    /// Writes a duration in milliseconds, to the microsecond.
    fn milliseconds(&mut self, name: &str, duration: Duration) {
        let micros = duration.as_micros();
        self.open(name, false);
        self.display(format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }
}

/// The second that was rendered last. Most lines are of the same second, and only the fraction differs.
#[derive(Default)]
struct RenderedSecond {
    seconds: Option<i64>,
    text: Vec<u8>,
}

impl RenderedSecond {
    /// Writes a time of RFC 3339 in UTC, to the microsecond.
    fn write(&mut self, at: SystemTime, out: &mut Vec<u8>) {
        let at = OffsetDateTime::from(at);
        if self.seconds != Some(at.unix_timestamp()) {
            self.seconds = Some(at.unix_timestamp());
            self.text.clear();
            let (date, (hour, minute, second)) = (at.date(), at.to_hms());
            let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
            let written = write!(
                self.text,
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}."
            );
            debug_assert!(written.is_ok(), "memory takes any text");
        }
        out.extend_from_slice(&self.text);
        let written = write!(out, "{:06}Z", at.microsecond());
        debug_assert!(written.is_ok(), "memory takes any text");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    fn at(micros: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn lines() -> [Record; 2] {
        let id = Uuid::from_u128;
        [
            Record::Request(RequestLine {
                at: at(1_700_000_000_000_042),
                level: Level::INFO,
                request_id: Arc::from("a-1"),
                method: "POST",
                route: Some(("/api", "/webhooks/events")),
                path: Some("/a\"b\n".into()),
                status: 202,
                duration: Duration::from_micros(1_007),
                workspace_id: Some(id(1)),
                client: Some([127, 0, 0, 1].into()),
                published: Some((id(2), 3)),
                batch: Some((1, 3)),
            }),
            Record::Attempt(AttemptLine {
                at: at(1_700_000_000_999_999),
                event_id: id(1),
                endpoint: Some((id(2), id(3))),
                attempt: 2,
                outcome: "retry",
                http_code: Some(503),
                error: Some("timeout"),
                duration_ms: 1000,
                next_attempt_at: Some(at(1_700_000_005_000_000)),
            }),
        ]
    }

    fn rendered(style: Style) -> [String; 2] {
        let mut renderer = Renderer::new(style);
        lines().map(|record| {
            let mut line = Vec::new();
            renderer.line(&record, &mut line);
            String::from_utf8(line).unwrap()
        })
    }

    #[test]
    fn text_is_one_line_of_names_and_values() {
        let [request, attempt] = rendered(Style::default());
        assert_eq!(
            request,
            "2023-11-14T22:13:20.000042Z  INFO hookpost::requests: request request_id=a-1 method=POST \
             route=/api/webhooks/events path=\"/a\\\"b\\n\" status=202 duration_ms=1.007 \
             workspace_id=00000000-0000-0000-0000-000000000001 client=127.0.0.1 \
             message_id=00000000-0000-0000-0000-000000000002 messages=1 events=3\n"
        );
        assert_eq!(
            attempt,
            "2023-11-14T22:13:20.999999Z  INFO hookpost::attempts: attempt \
             event_id=00000000-0000-0000-0000-000000000001 \
             endpoint_id=00000000-0000-0000-0000-000000000002 \
             workspace_id=00000000-0000-0000-0000-000000000003 attempt=2 outcome=retry http_code=503 \
             error=timeout duration_ms=1000 next_attempt_at=2023-11-14T22:13:25.000000Z\n"
        );
    }

    #[test]
    fn json_has_every_field_and_no_other() {
        let rendered = rendered(Style::Json);
        for (line, own) in rendered.iter().zip([&REQUEST_FIELDS[..], &ATTEMPT_FIELDS]) {
            let read: Value = serde_json::from_str(line).unwrap();
            let mut names: Vec<_> = read.as_object().unwrap().keys().cloned().collect();
            let mut expected = [own, &["timestamp", "level", "message", "target"]].concat();
            names.sort_unstable();
            expected.sort_unstable();
            assert_eq!(names, expected);
            assert!(line.ends_with("\"}\n"), "{line}");
        }
        let request: Value = serde_json::from_str(&rendered[0]).unwrap();
        assert_eq!(request["path"], "/a\"b\n");
        assert_eq!(request["duration_ms"], json!(1.007));
        assert_eq!(request["level"], "INFO");
        assert_eq!(request["target"], "hookpost::requests");
    }

    #[test]
    fn colors_are_all_that_a_terminal_adds() {
        let plain = |line: &String| {
            let mut parts = line.split("\x1b[");
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| {
                text + part.split_once('m').map_or("", |(_, rest)| rest)
            })
        };
        let colored = rendered(Style::Text { colors: true });
        assert!(colored.iter().all(|line| line.contains("\x1b[32m")));
        assert_eq!(colored.each_ref().map(plain), rendered(Style::default()));
    }
}
