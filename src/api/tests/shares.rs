//! Shares of the memory for requests: a workspace that needs more gets a 503, and the others are served.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::socket::Served;
use crate::server::connection::ConnectionLimits;
use crate::server::listen::LIMITS;

use super::*;
use crate::domain::workspace::WorkspaceName;

const PATIENCE: Duration = Duration::from_secs(30);
/// The size of a body; a worker holds ten of them.
const BODY: usize = 100_000;
const LIMIT: usize = 10 * BODY;

fn publish(token: &str, framing: &str) -> Vec<u8> {
    let head = "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer";
    format!("{head} {token}\r\n{framing}\r\n\r\n").into_bytes()
}

fn message(bytes: usize) -> String {
    let empty = r#"{"type":"a","data":""}"#;
    let text = "x".repeat(bytes - empty.len());
    format!(r#"{{"type":"a","data":"{text}"}}"#)
}

/// A request of which a part is sent, and its response.
struct Asked {
    stream: TcpStream,
    rest: Vec<u8>,
    answer: Vec<u8>,
    closed: bool,
}

impl Asked {
    fn new(served: &Served, request: Vec<u8>, now: usize) -> Self {
        let mut stream = served.connect();
        let mut request = request;
        let rest = request.split_off(now);
        stream.write_all(&request).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self {
            stream,
            rest,
            answer: Vec::new(),
            closed: false,
        }
    }

    /// Sends the rest, if the server still takes it.
    fn finish(&mut self) {
        self.stream.set_nonblocking(false).unwrap();
        let _ = self.stream.write_all(&self.rest);
        self.stream.set_nonblocking(true).unwrap();
    }

    /// Reads what has come. Reports whether the response is complete, or the connection closed.
    fn look(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.closed = true,
                Ok(read) => {
                    self.answer.extend_from_slice(&buffer[..read]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.closed = true,
            }
            return self.closed || self.answer.ends_with(b"}");
        }
    }

    fn answer(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }

    fn is_refused(&self) -> bool {
        let answer = self.answer();
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n")
    }

    fn is_accepted(&self) -> bool {
        self.answer().starts_with("HTTP/1.1 202 ")
    }
}

/// Waits until at least so many requests have ended, and returns how many have.
fn answered(asked: &mut [Asked], at_least: usize) -> usize {
    let since = Instant::now();
    loop {
        let answered = asked.iter_mut().filter_map(|one| one.look().then_some(()));
        let answered = answered.count();
        if answered >= at_least {
            return answered;
        }
        assert!(since.elapsed() < PATIENCE, "{answered} of {at_least}");
        std::thread::yield_now();
    }
}

fn workers() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// Returns an API with a second workspace, a token of that workspace, and limits of [`LIMIT`] bytes for each
/// worker.
fn api() -> (TestApi, String, ConnectionLimits) {
    let api = TestApi::new();
    let name = WorkspaceName::parse("other").unwrap();
    let other = api.store.create_workspace(name).wait().unwrap().id;
    let other = token(&*api.store, Some(other), Scopes::all());
    let limits = ConnectionLimits {
        bytes: LIMIT,
        ..LIMITS
    };
    (api, other, limits)
}

/// Publishes messages for the other workspace, side by side and each in two parts. Checks that the server
/// accepts all.
fn others_publish(served: &Served, token: &str) {
    for _ in 0..3 {
        let body = message(70_000);
        let head = publish(token, &format!("content-length: {}", body.len()));
        let request = [&head, body.as_bytes()].concat();
        let ask = |_| Asked::new(served, request.clone(), 30_000);
        let mut asked: Vec<_> = (0..2).map(ask).collect();
        asked.iter_mut().for_each(Asked::finish);
        answered(&mut asked, 2);
        for one in asked {
            assert!(one.is_accepted(), "{:?}", one.answer());
        }
    }
}

#[test]
fn too_many_bodies_of_one_workspace_are_refused_and_no_others() {
    let (api, other, limits) = api();
    let served = Served::within(&api, limits);
    let body = message(BODY);
    let head = publish(&api.own, &format!("content-length: {BODY}"));
    let request = [&head, body.as_bytes()].concat();
    let crowd = 20 * workers();
    let ask = |_| Asked::new(&served, request.clone(), BODY / 2);
    let mut crowd: Vec<_> = (0..crowd).map(ask).collect();
    // Each worker takes ten bodies.
    let surplus = answered(&mut crowd, 10 * workers());
    assert!(surplus < crowd.len());
    for one in crowd.iter().filter(|one| !one.answer.is_empty()) {
        assert!(one.is_refused(), "{:?}", one.answer());
    }
    others_publish(&served, &other);
    crowd.iter_mut().for_each(Asked::finish);
    let all = crowd.len();
    answered(&mut crowd, all);
    let odd = crowd
        .iter()
        .find(|one| !one.is_refused() && !one.is_accepted());
    assert!(odd.is_none(), "{:?}", odd.unwrap().answer());
    assert!(crowd.iter().any(Asked::is_accepted));
    // Clients that were refused may try again.
    let mut again = [ask(0)];
    again[0].finish();
    answered(&mut again, 1);
    assert!(again[0].is_accepted(), "{:?}", again[0].answer());
}

#[test]
fn bodies_without_a_length_are_refused_when_they_grow_beyond_the_share() {
    let (api, other, limits) = api();
    let served = Served::within(&api, limits);
    let head = publish(&api.own, "transfer-encoding: chunked");
    let body = message(BODY);
    let (first, second) = body.as_bytes().split_at(BODY * 6 / 10);
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let begun = [head, chunk(first)].concat();
    let now = begun.len();
    let request = [begun, chunk(second), b"0\r\n\r\n".to_vec()].concat();
    let ask = |_| Asked::new(&served, request.clone(), now);
    let mut crowd: Vec<_> = (0..40 * workers()).map(ask).collect();
    others_publish(&served, &other);
    crowd.iter_mut().for_each(Asked::finish);
    let all = crowd.len();
    answered(&mut crowd, all);
    let odd = crowd
        .iter()
        .find(|one| !one.is_refused() && !one.is_accepted());
    assert!(odd.is_none(), "{:?}", odd.unwrap().answer());
    assert!(crowd.iter().any(Asked::is_refused));
}

#[test]
fn a_request_closed_for_another_connection_gets_503_and_not_400() {
    let (api, _, limits) = api();
    let limits = ConnectionLimits {
        connections: 4,
        bytes: usize::MAX,
        ..limits
    };
    let served = Served::within(&api, limits);
    let body = message(1000);
    let framing = format!("expect: 100-continue\r\ncontent-length: {}", body.len());
    let head = publish(&api.own, &framing);
    let request = [&head, body.as_bytes()].concat();
    let mut first = [Asked::new(&served, request.clone(), request.len() - 1)];
    let since = Instant::now();
    while !first[0].answer.ends_with(b"\r\n\r\n") {
        assert!(!first[0].look() && since.elapsed() < PATIENCE);
    }
    first[0].answer.clear();
    let mut others = Vec::new();
    while !first[0].look() {
        others.push(Asked::new(&served, request.clone(), request.len() - 1));
        assert!(since.elapsed() < PATIENCE);
        while others.len() > 50 {
            others.remove(0);
        }
    }
    assert!(first[0].is_refused(), "{:?}", first[0].answer());
}
