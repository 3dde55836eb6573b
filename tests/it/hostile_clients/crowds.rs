//! The tests against crowds of clients that hold connections and do nothing with them: other clients can
//! still publish, and memory stays free.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use super::server::{Server, token};
use super::wire::{connect, exchange};
use crate::fixture::PATIENCE;
use crate::receiver::Receiver;

/// As many as the system's limit of open files leaves to this process, if that is less.
const CROWD: usize = 5000;

/// The open files that the other tests of this process may need.
const OTHER_FILES: usize = 2000;

/// The parts of requests after which a client stops sending: none, a part of the head, a part of a
/// body of either kind, and a whole request.
const BEGINNINGS: [&str; 5] = [
    "",
    "POST /api/webhooks/ev",
    "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer TOKEN\r\n\
     content-length: 1000\r\n\r\n{\"type\":",
    "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer TOKEN\r\n\
     transfer-encoding: chunked\r\n\r\n5\r\n{\"typ",
    "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
];

/// A byte that carries each of these on: none, into the head, into the body.
const DRIPS: [&str; 5] = ["", "x", "\"", "1\r\n\"\r\n", "G"];

fn crowd(server: &Server, token: &str, size: usize) -> Vec<TcpStream> {
    (0..size)
        .map(|at| {
            let mut stream = TcpStream::connect(server.addr).unwrap();
            let beginning = BEGINNINGS[at % BEGINNINGS.len()].replace("TOKEN", token);
            stream.write_all(beginning.as_bytes()).unwrap();
            stream
        })
        .collect()
}

/// Carries every connection on by a byte; those closed meanwhile do not mind.
fn drip(crowd: &mut [TcpStream]) {
    for (at, stream) in crowd.iter_mut().enumerate() {
        let _ = stream.write_all(DRIPS[at % DRIPS.len()].as_bytes());
    }
}

fn post(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let replies = exchange(server.addr, request.as_bytes()).unwrap();
    assert_eq!(replies.len(), 1, "{path}: no answer");
    assert!(replies[0].status < 300, "{:?}", replies[0]);
    serde_json::from_slice(&replies[0].body).unwrap()
}

/// Publishes on fresh connections while the crowd goes on, and has it delivered.
fn publishes_beside(server: &Server, token: &str, size: usize) {
    let receiver = Receiver::start();
    let endpoint = json!({"url": receiver.url("/a"), "format": "raw", "events": ["*"]});
    let mut crowd = crowd(server, token, size);
    post(server, token, "/api/webhooks/endpoints", &endpoint);
    let started = Instant::now();
    for round in 1..=5 {
        drip(&mut crowd);
        let message = json!({"type": "a", "data": round});
        post(server, token, "/api/webhooks/events", &message);
        receiver.wait("/a", round);
    }
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[test]
fn five_thousand_idle_and_slow_clients_do_not_stop_publishing() {
    hookpost::app::raise_open_files();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files = files.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let size = CROWD.min(
        files
            .unwrap_or(CROWD + OTHER_FILES)
            .saturating_sub(OTHER_FILES),
    );
    assert!(
        size >= 500,
        "{size} connections are no crowd: raise the limit of open files"
    );
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let token = token(&database, "w");
    let server = Server::start(&database, "error,hookpost::app=info", &[]);
    publishes_beside(&server, &token, size);
}

#[cfg(target_os = "linux")]
#[test]
fn idle_clients_do_not_use_up_the_files_that_deliveries_need() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let token = token(&database, "w");
    let server = Server::with_few_files(256, &database, &["--max-threads", "8"]);
    publishes_beside(&server, &token, 1000);
}

/// Clients that ask for a page of 25 MB and take the first byte of it.
#[cfg(target_os = "linux")]
#[test]
fn clients_that_do_not_read_their_lists_leave_memory_to_others() {
    const CROWD: usize = 60;
    const MEMORY_MAX: u64 = 100_000_000;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let token = token(&database, "w");
    let server = Server::start(&database, "error,hookpost::app=info", &[]);
    let endpoint = json!({"url": "http://127.0.0.1:9/", "format": "raw", "events": ["*"]});
    post(&server, &token, "/api/webhooks/endpoints", &endpoint);
    let message = json!({"type": "a", "data": "x".repeat(250_000)}).to_string();
    let publish = format!(
        "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n{message}",
        message.len()
    );
    for _ in 0..100 {
        let (mut stream, mut status) = (connect(server.addr), [0; 12]);
        stream.write_all(publish.as_bytes()).unwrap();
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 202");
    }
    let before = server.memory();
    let request = format!(
        "GET /api/webhooks/events?limit=100 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let ask = |_| {
        let mut stream = connect(server.addr);
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(ask).collect();
    let mut most = 0;
    for stream in &mut crowd {
        stream.read_exact(&mut [0]).unwrap();
        most = most.max(server.memory().saturating_sub(before));
    }
    assert!(most < MEMORY_MAX, "{most} bytes");
    post(
        &server,
        &token,
        "/api/webhooks/events",
        &json!({"type": "a", "data": 1}),
    );
}

#[test]
fn clients_that_do_not_read_the_reference_leave_memory_to_others() {
    const CROWD: usize = 200;
    /// Far below the 290 MB that they asked for, and above the 64 KiB that each may cost.
    const MEMORY_MAX: u64 = 60_000_000;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let server = Server::start(&database, "error,hookpost::app=info", &[]);
    let before = server.memory();
    let ask = |_| {
        let mut stream = connect(server.addr);
        let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).unwrap();
        stream
    };
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(ask).collect();
    let mut most = 0;
    for stream in &mut crowd {
        stream.read_exact(&mut [0]).unwrap();
        most = most.max(server.memory().saturating_sub(before));
    }
    assert!(most < MEMORY_MAX, "{most} bytes");
}

/// Reads as much of an answer as there is; returns whether that is all of it.
fn answer_so_far(stream: &mut TcpStream, answer: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    answer.ends_with(b"}")
}

/// Clients of one workspace that send more large bodies than there is memory for, each without its last byte.
#[test]
fn a_workspace_that_sends_too_much_is_told_so_and_costs_others_nothing() {
    const BODY: usize = 1_000_000;
    /// The number of them that one worker holds.
    const HELD: usize = 33;
    const SURPLUS: usize = 60;
    let workers = std::thread::available_parallelism().unwrap().get();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let (heavy, other) = (token(&database, "heavy"), token(&database, "other"));
    let flags = ["--max-body-bytes", "1048576"];
    let server = Server::start(&database, "error,hookpost::app=info", &flags);
    let empty = r#"{"type":"a","data":""}"#.len();
    let message = json!({"type": "a", "data": "x".repeat(BODY - empty)}).to_string();
    let request = format!(
        "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {heavy}\r\n\
         content-length: {BODY}\r\n\r\n{message}"
    );
    let unfinished = &request.as_bytes()[..request.len() - 1];
    let ask = |_| {
        let mut stream = connect(server.addr);
        // Of one that is refused the server may not take all.
        let _ = stream.write_all(unfinished);
        stream.set_nonblocking(true).unwrap();
        (stream, Vec::new())
    };
    let mut crowd: Vec<_> = (0..HELD * workers + SURPLUS).map(ask).collect();
    let started = Instant::now();
    loop {
        let answered = crowd
            .iter_mut()
            .filter_map(|(stream, answer)| answer_so_far(stream, answer).then_some(()));
        let answered = answered.count();
        if answered >= SURPLUS {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{answered} answers");
    }
    let data = "x".repeat(70_000);
    for _ in 0..20 {
        post(
            &server,
            &other,
            "/api/webhooks/events",
            &json!({"type": "a", "data": data}),
        );
    }
    let refused = |answer: &str| {
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n")
    };
    for (stream, answer) in &mut crowd {
        answer_so_far(stream, answer);
        let answer = String::from_utf8_lossy(answer);
        assert!(answer.is_empty() || refused(&answer), "{answer}");
    }
}
