//! The tests of pipelined requests: a client sends the next requests before it has the first response. The
//! responses come in the same order, each with a body only if its own request asks for one. Otherwise a
//! client that reads on at the wrong byte would take one request's response for another's.

use std::io::{Read, Write};

use serde_json::json;

use super::NOBODY;
use super::wire::{Reply, connect, exchange, exchange_ahead, finish};
use crate::fixture::TestApp;

const MESSAGE: &str = r#"{"type":"a","data":1}"#;

/// A request, and its answer when it is sent alone.
struct Step {
    name: &'static str,
    bytes: Vec<u8>,
    alone: Reply,
}

impl Step {
    fn is_head(&self) -> bool {
        self.bytes.starts_with(b"HEAD ")
    }

    /// Returns the reason why a response to this request is wrong, if it is.
    fn fault(&self, reply: &Reply) -> Option<&'static str> {
        let length = |reply: &Reply| reply.header("content-length").map(str::to_owned);
        if reply.status != self.alone.status {
            Some("another status")
        } else if reply.status == 202 {
            // Each message has an id of its own.
            reply.body.is_empty().then_some("no message")
        } else if reply.body != self.alone.body || length(reply) != length(&self.alone) {
            Some("another body")
        } else {
            None
        }
    }
}

struct PipelineFixture {
    app: TestApp,
    /// Of all kinds: reads and writes, with answers that are there at once and such that take time.
    steps: Vec<Step>,
}

impl PipelineFixture {
    fn new() -> Self {
        let app = TestApp::start();
        let body = json!({"url": "https://a.example/", "format": "raw", "events": []});
        let made = app.post("/api/webhooks/endpoints", &app.token, &body);
        let endpoint = format!(
            "/api/webhooks/endpoints/{}",
            made.expect(201)["id"].as_str().unwrap()
        );
        let nothing = format!("/api/webhooks/endpoints/{NOBODY}");
        let (publish, size) = ("/api/webhooks/events", MESSAGE.len());
        let sized = format!("content-length: {size}\r\n\r\n{MESSAGE}");
        let expecting = format!("expect: 100-continue\r\n{sized}");
        let no_body = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade:WebSocket\r\n\r\n";
        let upgrade = format!("connection: upgrade\r\nupgrade: websocket\r\n{sized}");
        let chunks = format!("5;x=y\r\n{}\r\n{:x}", &MESSAGE[..5], size - 5);
        let chunked = format!(
            "transfer-encoding: chunked\r\n\r\n{chunks}\r\n{}\r\n0\r\na: b\r\n\r\n",
            &MESSAGE[5..]
        );
        let steps = [
            ("get", "GET", &*endpoint, "\r\n"),
            ("get at once", "GET", "/healthz", "\r\n"),
            ("head", "HEAD", &endpoint, "\r\n"),
            ("head at once", "HEAD", "/healthz", "\r\n"),
            ("head of nothing", "HEAD", "/nowhere", "\r\n"),
            ("sized", "POST", publish, &sized),
            ("chunked", "POST", publish, &chunked),
            ("expecting", "POST", publish, &expecting),
            (
                "refused",
                "POST",
                publish,
                "Content-Length:  3 \r\n\r\n{\r\n",
            ),
            ("upgrade", "POST", publish, &upgrade),
            ("upgrade without a body", "GET", "/healthz", no_body),
            ("nothing", "DELETE", &nothing, "content-length: 0\r\n\r\n"),
        ];
        let steps = steps
            .map(|(name, method, path, rest)| {
                let bytes = request(&app.token, method, path, rest);
                let mut replies = exchange(app.addr, &bytes).unwrap();
                assert_eq!(replies.len(), 1, "{name}");
                let alone = replies.remove(0);
                Step { name, bytes, alone }
            })
            .into();
        Self { app, steps }
    }

    fn step(&self, name: &str) -> &Step {
        self.steps.iter().find(|step| step.name == name).unwrap()
    }
}

fn request(token: &str, method: &str, path: &str, rest: &str) -> Vec<u8> {
    let line = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
    (line + rest).into_bytes()
}

fn bytes(steps: &[&Step]) -> Vec<u8> {
    steps.iter().flat_map(|step| step.bytes.clone()).collect()
}

fn heads(steps: &[&Step]) -> Vec<bool> {
    steps.iter().map(|step| step.is_head()).collect()
}

/// Checks that these are the answers to those requests.
fn check(steps: &[&Step], replies: Result<Vec<Reply>, String>, how: &str) {
    let names = || steps.iter().map(|step| step.name).collect::<Vec<_>>();
    let replies = replies.unwrap_or_else(|why| panic!("{:?}, {how}: {why}", names()));
    assert_eq!(replies.len(), steps.len(), "{:?}, {how}", names());
    for (at, (step, reply)) in steps.iter().zip(&replies).enumerate() {
        if let Some(fault) = step.fault(reply) {
            panic!("{fault} at {at} of {:?}, {how}: {reply:?}", names());
        }
    }
}

#[test]
fn any_two_requests_get_the_answers_that_each_gets_alone() {
    let fixture = PipelineFixture::new();
    for first in &fixture.steps {
        for second in &fixture.steps {
            let steps = [first, second];
            let replies = exchange_ahead(fixture.app.addr, &bytes(&steps), &heads(&steps));
            check(&steps, replies, "in one write");
        }
    }
    assert_eq!(fixture.step("get").alone.status, 200);
    assert_eq!(fixture.step("sized").alone.status, 202);
    assert_eq!(fixture.step("refused").alone.status, 422);
    assert_eq!(fixture.step("upgrade").alone.status, 202);
}

#[test]
fn requests_sent_ahead_are_answered_in_any_number_and_in_any_pieces() {
    let fixture = PipelineFixture::new();
    let ten: Vec<_> = fixture.steps.iter().collect();
    let turned: Vec<_> = fixture.steps.iter().rev().collect();
    for steps in [ten.clone(), turned, ten.repeat(30)] {
        let (bytes, heads) = (bytes(&steps), heads(&steps));
        for size in [1, 7, 1000, bytes.len()] {
            let mut stream = connect(fixture.app.addr);
            stream.set_nodelay(true).unwrap();
            for piece in bytes.chunks(size) {
                stream.write_all(piece).unwrap();
            }
            check(&steps, finish(stream, &heads), &format!("by {size}"));
        }
    }
}

#[test]
fn lines_may_end_in_a_bare_newline_and_empty_lines_may_stand_between_requests() {
    let fixture = PipelineFixture::new();
    let steps = ["get", "head", "nothing", "head", "get at once"].map(|name| fixture.step(name));
    let apart = |between: &str, end: &str| {
        let text = |step: &&Step| String::from_utf8(step.bytes.clone()).unwrap();
        let all: Vec<_> = steps.iter().map(text).collect();
        all.join(between).replace("\r\n", end)
    };
    for (between, end) in [("", "\n"), ("\r\n", "\r\n"), ("\r\n\n\r\n", "\n")] {
        let replies = exchange_ahead(
            fixture.app.addr,
            apart(between, end).as_bytes(),
            &heads(&steps),
        );
        check(&steps, replies, &format!("{between:?} {end:?}"));
    }
}

#[test]
fn a_client_that_waits_for_100_continue_may_send_more_requests_with_the_body() {
    let fixture = PipelineFixture::new();
    let expecting = fixture.step("expecting");
    let (head, body) = expecting
        .bytes
        .split_at(expecting.bytes.len() - MESSAGE.len());
    let steps = ["expecting", "head", "expecting", "get"].map(|name| fixture.step(name));
    let mut stream = connect(fixture.app.addr);
    stream.write_all(head).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
        .write_all(&[body, &bytes(&steps[1..])].concat())
        .unwrap();
    check(&steps, finish(stream, &heads(&steps)), "after the leave");
}

/// Reads one answer that has a body, and returns its head.
fn read_one(stream: &mut std::net::TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    head
}

#[test]
fn requests_behind_a_refused_body_are_answered_if_the_connection_stays_open() {
    let fixture = PipelineFixture::new();
    let steps = ["get", "head", "chunked", "head", "get"].map(|name| fixture.step(name));
    let big = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    let own = &*fixture.app.token;
    for (token, begun, status) in [("none", "1\r\n{\r\n", "401"), (own, &big, "413")] {
        let rest = format!("transfer-encoding: chunked\r\n\r\n{begun}");
        let mut stream = connect(fixture.app.addr);
        let head = request(token, "POST", "/api/webhooks/events", &rest);
        stream.write_all(&head).unwrap();
        let answer = read_one(&mut stream);
        assert_eq!(&answer[9..12], status);
        // The end of the body and the next requests come together.
        let more = [b"1\r\n}\r\n0\r\n\r\n", &*bytes(&steps)].concat();
        stream.write_all(&more).unwrap();
        check(&steps, finish(stream, &heads(&steps)), status);
    }
}

#[test]
fn requests_behind_a_refused_body_of_a_known_length_are_dropped_without_delay() {
    let fixture = PipelineFixture::new();
    let more = ["get", "head", "get", "get"].map(|name| fixture.step(name));
    let rest = "content-length: 12\r\n\r\n{";
    let mut stream = connect(fixture.app.addr);
    stream
        .write_all(&request("none", "POST", "/api/webhooks/events", rest))
        .unwrap();
    let answer = read_one(&mut stream);
    assert_eq!(&answer[9..12], "401");
    assert!(answer.contains("connection: close"), "{answer}");
    let since = std::time::Instant::now();
    let _ = stream.write_all(&[b"01234567890", &*bytes(&more)].concat());
    let replies = finish(stream, &[]).unwrap();
    assert!(replies.is_empty(), "{replies:?}");
    // The server would wait five seconds for a client that does not close.
    let waited = since.elapsed();
    assert!(waited.as_secs() < 4, "{waited:?}");
}

#[test]
fn requests_behind_one_with_connection_close_are_not_answered() {
    let fixture = PipelineFixture::new();
    let closing = request(
        &fixture.app.token,
        "GET",
        "/healthz",
        "connection: close\r\n\r\n",
    );
    let sent = [closing, fixture.step("get").bytes.clone()].concat();
    let replies = exchange(fixture.app.addr, &sent).unwrap();
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(replies[0].header("connection"), Some("close"));
}
